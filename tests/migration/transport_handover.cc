#include "tests/migration/transport_handover.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <vector>

#include "stdio/io/deadline.h"
#include "tests/host/control_socket.h"

namespace gcs::migration {
namespace {

// One is what is wanted; room for more tells too many from one.
constexpr size_t kDescriptors = 4;

union Control {
  cmsghdr aligned;
  char bytes[CMSG_SPACE(kDescriptors * sizeof(int))];
};

std::vector<io::Fd> descriptors_of(msghdr& message) {
  std::vector<io::Fd> received;
  for (cmsghdr* part = CMSG_FIRSTHDR(&message); part != nullptr; part = CMSG_NXTHDR(&message, part)) {
    if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t index = 0; index < count; ++index) {
      int fd = -1;
      std::memcpy(&fd, CMSG_DATA(part) + index * sizeof fd, sizeof fd);
      received.emplace_back(fd);
    }
  }
  return received;
}

/// Nothing yet is an error with EAGAIN.
Result<io::Fd> receive(int connection) {
  char byte = 0;
  iovec text{&byte, 1};
  Control control{};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = sizeof control.bytes;
  const ssize_t size = ::recvmsg(connection, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  if (size < 0) return sys_error("receive the transport");
  auto received = descriptors_of(message);
  if (size == 0) return Error(Errc::internal, "the offer ended without a descriptor");
  if (received.size() != 1 || (message.msg_flags & MSG_CTRUNC) != 0) {
    return Error(Errc::internal, std::to_string(received.size()) + " descriptors came with the offer, not one");
  }
  return std::move(received.front());
}

io::Task<Result<io::Fd>> connect_and_receive(io::Engine& engine, std::string path) {
  auto connection = co_await host::dial_control(engine, std::move(path));
  if (!connection) co_return connection.error();
  for (;;) {
    auto fd = receive((*connection)->native_handle());
    if (fd) {
      const auto checked = check_transport(fd->get());
      if (!checked) co_return checked.error();
      co_return fd;
    }
    const int reason = fd.error().sys_errno();
    if (reason == EINTR) continue;
    if (reason != EAGAIN) co_return fd.error();
    const auto readable = co_await (*connection)->wait_readable();
    if (!readable) co_return readable.error();
  }
}

Result<> send_descriptor(int connection, int fd) {
  char byte = 0;
  iovec text{&byte, 1};
  Control control{};
  msghdr message{};
  message.msg_iov = &text;
  message.msg_iovlen = 1;
  message.msg_control = control.bytes;
  message.msg_controllen = CMSG_SPACE(sizeof fd);
  cmsghdr* part = CMSG_FIRSTHDR(&message);
  part->cmsg_level = SOL_SOCKET;
  part->cmsg_type = SCM_RIGHTS;
  part->cmsg_len = CMSG_LEN(sizeof fd);
  std::memcpy(CMSG_DATA(part), &fd, sizeof fd);
  // A fresh connection has room for one byte: it does not block.
  if (::sendmsg(connection, &message, MSG_NOSIGNAL) != 1) return sys_error("offer the transport");
  return {};
}

}  // namespace

Result<> check_handover_path(const std::string& path) {
  if (path.empty()) return Error(Errc::invalid_argument, "protocol_info is required: the path of a Unix socket");
  if (path.size() >= sizeof sockaddr_un().sun_path) {
    return Error(Errc::invalid_argument,
                 "protocol_info: a path of " + std::to_string(path.size()) + " bytes is too long");
  }
  if (path.find('\0') != std::string::npos) {
    return Error(Errc::invalid_argument, "protocol_info: a zero byte in a path");
  }
  return {};
}

Result<> check_transport(int fd) {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM) {
    return Error(Errc::wrong_state, "what was offered is no stream socket");
  }
  sockaddr_storage peer{};
  size = sizeof peer;
  if (::getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    return Error(Errc::wrong_state, "the socket that was offered is not connected");
  }
  return {};
}

io::Task<Result<io::Fd>> take_transport(io::Engine& engine, io::Clock& clock, std::string path,
                                        io::Clock::Duration limit) {
  const auto checked = check_handover_path(path);
  if (!checked) co_return checked.error();
  auto taking = connect_and_receive(engine, std::move(path));
  co_return co_await io::with_deadline<io::Fd>(engine.executor(), clock, clock.now() + limit, "transport handover",
                                               std::move(taking));
}

TransportOffer::TransportOffer(std::string path, io::Fd transport, std::unique_ptr<io::Listener> listener)
    : path_(std::move(path)), transport_(std::move(transport)), listener_(std::move(listener)) {}

TransportOffer::~TransportOffer() {
  ::unlink(path_.c_str());
}

Result<std::unique_ptr<TransportOffer>> TransportOffer::at(io::Engine& engine, std::string path, io::Fd transport) {
  const auto checked = check_handover_path(path);
  if (!checked) return checked.error();
  auto listener = host::listen_control(engine, path);
  if (!listener) return listener.error();
  return std::unique_ptr<TransportOffer>(
      new TransportOffer(std::move(path), std::move(transport), std::move(*listener)));
}

io::Task<Result<>> TransportOffer::taken() {
  auto client = co_await listener_->accept();
  if (!client) co_return client.error();
  const auto sent = send_descriptor((*client)->native_handle(), transport_.get());
  if (!sent) co_return sent.error();
  transport_.reset();
  co_return Result<>();
}

}  // namespace gcs::migration
