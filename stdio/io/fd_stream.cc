#include "stdio/io/fd_stream.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

namespace gcs::io {

FdStream::FdStream(Fd fd) : fd_(std::move(fd)) {
  int family = 0;
  socklen_t size = sizeof family;
  socket_ = ::getsockopt(fd_.get(), SOL_SOCKET, SO_DOMAIN, &family, &size) == 0;
  unix_socket_ = socket_ && family == AF_UNIX;
  set_nonblocking(fd_.get());
}

Error FdStream::failure(const char* doing, int sys_errno) const {
  return socket_ ? conn_error(doing, sys_errno) : sys_error(doing, sys_errno);
}

Task<Result<size_t>> FdStream::read_when_ready(MutableBytes buffer) {
  for (;;) {
    const ssize_t n =
        socket_ ? ::recv(fd_.get(), buffer.data(), buffer.size(), 0) : ::read(fd_.get(), buffer.data(), buffer.size());
    if (n >= 0) co_return static_cast<size_t>(n);
    if (errno == EIO && !socket_) co_return size_t{0};  // pty(7): every slave is closed
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return failure("read", errno);
    const auto ready = co_await wait(POLLIN);
    if (!ready) co_return ready.error();
  }
}

Task<Result<size_t>> FdStream::write_when_ready(Bytes data) {
  for (;;) {
    const ssize_t n = socket_ ? ::send(fd_.get(), data.data(), data.size(), MSG_NOSIGNAL)
                              : ::write(fd_.get(), data.data(), data.size());
    if (n >= 0) co_return static_cast<size_t>(n);
    if (errno == EINTR) continue;
    if (errno != EAGAIN) co_return failure("write", errno);
    const auto ready = co_await wait(POLLOUT);
    if (!ready) co_return ready.error();
  }
}

Task<Result<>> FdStream::wait_readable() {
  return wait(POLLIN);
}

Task<Result<>> FdStream::wait_writable() {
  return wait(POLLOUT);
}

std::optional<size_t> FdStream::unread() const {
  int bytes = 0;
  if (!unix_socket_ || ::ioctl(fd_.get(), SIOCOUTQ, &bytes) != 0) return std::nullopt;
  return static_cast<size_t>(bytes);
}

/// Nothing is sent, but the kernel looks first whether it could be (af_unix.c, af_vsock.c). poll(2) tells POLLHUP for
/// AF_UNIX only.
bool FdStream::hung_up() const {
  if (!socket_) return false;
  return ::send(fd_.get(), nullptr, 0, MSG_NOSIGNAL | MSG_DONTWAIT) != 0 && errno != EAGAIN;
}

void FdStream::shut_write() {
  if (socket_) ::shutdown(fd_.get(), SHUT_WR);
}

void FdStream::shut_read() {
  if (socket_) ::shutdown(fd_.get(), SHUT_RD);
}

void FdStream::shut_down() {
  if (socket_) ::shutdown(fd_.get(), SHUT_RDWR);
}

}  // namespace gcs::io
