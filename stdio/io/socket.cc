#include "stdio/io/socket.h"

#include <poll.h>

namespace gcs::io {

Task<Result<std::unique_ptr<Stream>>> connect_socket(Engine& engine, Fd socket, const sockaddr_storage& address,
                                                     socklen_t size) {
  const int fd = socket.get();
  set_nonblocking(fd);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), size) != 0) {
    // EAGAIN: unix(7), the listener's queue is full; the caller's redial sets the pace.
    if (errno != EINPROGRESS) co_return conn_error("connect");
    const auto ready = co_await engine.poll(fd, POLLOUT);
    if (!ready) co_return ready.error();
    int failure = 0;
    socklen_t length = sizeof failure;
    if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &failure, &length) != 0) failure = errno;
    if (failure != 0) co_return conn_error("connect", failure);
  }
  co_return engine.adopt(std::move(socket));
}

namespace {

class SocketListener final : public Listener {
 public:
  SocketListener(Engine& engine, Fd listening) : engine_(engine), listening_(std::move(listening)) {
    set_nonblocking(listening_.get());
  }

  Task<Result<std::unique_ptr<Stream>>> accept() override {
    for (;;) {
      Fd fd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (fd) co_return engine_.adopt(std::move(fd));
      if (errno == EINTR || errno == ECONNABORTED) continue;
      if (errno != EAGAIN) co_return sys_error("accept");
      const auto ready = co_await engine_.poll(listening_.get(), POLLIN);
      if (!ready) co_return ready.error();
    }
  }

 private:
  Engine& engine_;
  Fd listening_;
};

}  // namespace

std::unique_ptr<Listener> make_socket_listener(Engine& engine, Fd listening) {
  return std::make_unique<SocketListener>(engine, std::move(listening));
}

}  // namespace gcs::io
