#include "stdio/io/fd.h"

#include <fcntl.h>
#include <unistd.h>

namespace gcs::io {

Fd& Fd::operator=(Fd&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = std::exchange(other.fd_, -1);
  }
  return *this;
}

void Fd::reset() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

Result<PipeEnds> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return sys_error("pipe");
  return PipeEnds{Fd(ends[0]), Fd(ends[1])};
}

Result<Fd> open_file(const std::string& path, int flags, unsigned mode) {
  Fd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) return sys_error("open " + path);
  return fd;
}

Result<std::string> read_file(const std::string& path, size_t limit) {
  auto fd = open_file(path, O_RDONLY);
  if (!fd) return fd.error();
  std::string text;
  char chunk[4096];
  for (;;) {
    const ssize_t n = ::read(fd->get(), chunk, sizeof chunk);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error("read " + path);
    if (n == 0) return text;
    if (text.size() + static_cast<size_t>(n) > limit) return Error(Errc::exhausted, path + " is too large");
    text.append(chunk, static_cast<size_t>(n));
  }
}

Result<> write_file(const std::string& path, std::string_view text, int flags, unsigned mode) {
  auto fd = open_file(path, O_WRONLY | flags, mode);
  if (!fd) return fd.error();
  do {
    const ssize_t n = ::write(fd->get(), text.data(), text.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error("write " + path);
    text.remove_prefix(static_cast<size_t>(n));
  } while (!text.empty());
  return {};
}

void set_nonblocking(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}

}  // namespace gcs::io
