#include "runtime/console.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>

#include "stdio/io/deadline.h"

namespace gcs::runtime {
namespace {

/// The one descriptor of one message; descriptors beyond it are closed, not leaked.
Result<io::Fd> descriptor_from(int socket) {
  char byte[256];
  iovec data{byte, sizeof byte};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 4)];
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const ssize_t n = ::recvmsg(socket, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (n < 0) return sys_error("receive the terminal");
  io::Fd found;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
      io::Fd owned(fd);
      if (!found) found = std::move(owned);
    }
  }
  if (!found) return Error(Errc::internal, "the runtime sent no terminal over its console socket");
  return found;
}

io::Task<Result<io::Fd>> accept_descriptor(io::Engine& engine, int listening) {
  for (;;) {
    io::Fd peer(::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC));
    if (peer) {
      const auto ready = co_await engine.poll(peer.get(), POLLIN);
      if (!ready) co_return ready.error();
      co_return descriptor_from(peer.get());
    }
    if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED) co_return sys_error("accept on the console socket");
    const auto ready = co_await engine.poll(listening, POLLIN);
    if (!ready) co_return ready.error();
  }
}

}  // namespace

Result<ConsoleSocket> ConsoleSocket::listen(std::string path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error(Errc::invalid_argument, "console socket path too long");
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  io::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd) return sys_error("console socket");
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd.get(), 1) != 0) {
    return sys_error("listen on " + path);
  }
  return ConsoleSocket(std::move(path), std::move(fd));
}

ConsoleSocket::~ConsoleSocket() {
  if (fd_) ::unlink(path_.c_str());
}

io::Task<Result<io::Fd>> ConsoleSocket::receive(io::Engine& engine, io::Clock& clock, io::Clock::Duration limit) {
  const auto deadline = clock.now() + limit;
  co_return co_await io::with_deadline<io::Fd>(engine.executor(), clock, deadline, "console socket",
                                               accept_descriptor(engine, fd_.get()));
}

Result<Pty> open_pty() {
  Pty pty;
  pty.master = io::Fd(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.master) return sys_error("open a pty");
  char name[64];
  if (::grantpt(pty.master.get()) != 0 || ::unlockpt(pty.master.get()) != 0 ||
      ::ptsname_r(pty.master.get(), name, sizeof name) != 0) {
    return sys_error("unlock the pty");
  }
  pty.slave = io::Fd(::open(name, O_RDWR | O_NOCTTY | O_CLOEXEC));
  if (!pty.slave) return sys_error("open the pty's slave");
  return pty;
}

}  // namespace gcs::runtime
