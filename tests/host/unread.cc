#include "tests/host/unread.h"

#include <linux/sockios.h>
#include <sys/ioctl.h>

namespace gcs::host {

size_t unread_bytes(const io::Stream& stream) {
  int count = 0;
  if (::ioctl(stream.native_handle(), SIOCINQ, &count) != 0 || count < 0) return 0;
  return static_cast<size_t>(count);
}

}  // namespace gcs::host
