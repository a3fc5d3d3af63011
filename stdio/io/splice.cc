#include "stdio/io/splice.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <cstdio>

namespace gcs::io {
namespace {

bool kernel_is_at_least(int major, int minor) {
  utsname name{};
  int have_major = 0;
  int have_minor = 0;
  if (::uname(&name) != 0 || std::sscanf(name.release, "%d.%d", &have_major, &have_minor) != 2) return false;
  return have_major != major ? have_major > major : have_minor >= minor;
}

}  // namespace

bool splice_pays(int pipe, int socket) {
  struct stat status {};
  if (pipe < 0 || ::fstat(pipe, &status) != 0 || !S_ISFIFO(status.st_mode)) return false;
  int family = 0;
  socklen_t size = sizeof family;
  if (socket < 0 || ::getsockopt(socket, SOL_SOCKET, SO_DOMAIN, &family, &size) != 0) return false;
  static const bool whole_sends = kernel_is_at_least(6, 5);
  return family == AF_UNIX || (family == AF_VSOCK && whole_sends);
}

Result<size_t> splice_some(int pipe, int socket, size_t most) {
  for (;;) {
    const ssize_t n = ::splice(pipe, nullptr, socket, nullptr, most, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return Error(Errc::exhausted, "splice would wait", EAGAIN);
    return conn_error("splice");
  }
}

}  // namespace gcs::io
