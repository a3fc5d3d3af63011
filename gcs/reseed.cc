#include "gcs/reseed.h"

#include <fcntl.h>
#include <linux/random.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <ctime>

#include "stdio/io/fd.h"

namespace gcs {

Result<> reseed(std::chrono::nanoseconds told, const char* device) {
  struct {
    int64_t told;
    timespec real;
    timespec boot;
    timespec raw;
  } differs{};
  differs.told = told.count();
  ::clock_gettime(CLOCK_REALTIME, &differs.real);
  ::clock_gettime(CLOCK_BOOTTIME, &differs.boot);
  ::clock_gettime(CLOCK_MONOTONIC_RAW, &differs.raw);

  const auto random = io::open_file(device, O_WRONLY);
  if (!random) return random.error();
  if (::write(random->get(), &differs, sizeof differs) < 0) return sys_error("mix into the entropy pool");
  if (::ioctl(random->get(), RNDRESEEDCRNG) != 0) return sys_error("reseed");
  return {};
}

}  // namespace gcs
