#include "stdio/io/splice.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include <charconv>
#include <cstring>

#include "stdio/io/fd.h"

namespace gcs::io {
namespace {

bool kernel_is_at_least(int major, int minor) {
  utsname name{};
  if (::uname(&name) != 0) return false;
  const char* end = name.release + std::strlen(name.release);
  int have_major = 0;
  int have_minor = 0;
  const auto first = std::from_chars(name.release, end, have_major);
  if (first.ec != std::errc() || first.ptr == end) return false;
  const auto second = std::from_chars(first.ptr + 1, end, have_minor);
  if (second.ec != std::errc()) return false;
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

size_t readable_bytes(int pipe) {
  int bytes = 0;
  if (pipe < 0 || ::ioctl(pipe, FIONREAD, &bytes) != 0 || bytes < 0) return 0;
  return static_cast<size_t>(bytes);
}

Result<size_t> tee_some(int from, int to, size_t most) {
  for (;;) {
    const ssize_t n = ::tee(from, to, most, SPLICE_F_NONBLOCK);
    if (n >= 0) return static_cast<size_t>(n);
    if (errno == EINTR) continue;
    if (errno == EAGAIN) return Error(Errc::exhausted, "tee would wait", EAGAIN);
    return sys_error("tee");
  }
}

Result<> discard_bytes(int pipe, size_t size) {
  static const Result<Fd> nowhere = open_file("/dev/null", O_WRONLY);
  if (!nowhere) return nowhere.error();
  while (size > 0) {
    const ssize_t n = ::splice(pipe, nullptr, nowhere->get(), nullptr, size, SPLICE_F_MOVE | SPLICE_F_NONBLOCK);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error("splice to /dev/null");
    if (n == 0) return Error(Errc::internal, "the pipe holds less than it should");
    size -= static_cast<size_t>(n);
  }
  return {};
}

}  // namespace gcs::io
