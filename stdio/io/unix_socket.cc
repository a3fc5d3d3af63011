#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "stdio/io/socket.h"

namespace gcs::io {
namespace {

// Doubled by the kernel (socket(7)). What a connection holds unread is bounded whatever a machine's own default is: a
// stream's tail keeps that much.
constexpr int kSendBuffer = 104 * 1024;

std::string port_path(const std::string& path, Port port) {
  return path + "_" + std::to_string(port);
}

Result<sockaddr_storage> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) return Error(Errc::invalid_argument, "socket path too long: " + path);
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  sockaddr_storage storage{};
  std::memcpy(&storage, &address, sizeof address);
  return storage;
}

class UnixDialer final : public Dialer {
 public:
  UnixDialer(Engine& engine, std::string path) : engine_(engine), path_(std::move(path)) {}

  Task<Result<std::unique_ptr<Stream>>> dial(Port port) override {
    const auto address = unix_address(port_path(path_, port));
    if (!address) co_return address.error();
    Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) co_return conn_error("socket");
    ::setsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &kSendBuffer, sizeof kSendBuffer);
    co_return co_await connect_socket(engine_, std::move(fd), *address, sizeof(sockaddr_un));
  }

 private:
  Engine& engine_;
  std::string path_;
};

/// Takes its path away again when it goes.
class UnixListener final : public Listener {
 public:
  UnixListener(std::string path, std::unique_ptr<Listener> accepting)
      : path_(std::move(path)), accepting_(std::move(accepting)) {}
  ~UnixListener() override { ::unlink(path_.c_str()); }

  Task<Result<std::unique_ptr<Stream>>> accept() override { return accepting_->accept(); }

 private:
  std::string path_;
  std::unique_ptr<Listener> accepting_;
};

}  // namespace

std::unique_ptr<Dialer> make_unix_dialer(Engine& engine, std::string path) {
  return std::make_unique<UnixDialer>(engine, std::move(path));
}

Result<std::unique_ptr<Listener>> make_unix_listener(Engine& engine, const std::string& path, Port port) {
  const std::string name = port_path(path, port);
  const auto address = unix_address(name);
  if (!address) return address.error();
  Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return sys_error("socket");
  ::unlink(name.c_str());
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof(sockaddr_un)) != 0) {
    return sys_error("bind " + name);
  }
  if (::listen(fd.get(), 64) != 0) return sys_error("listen " + name);
  std::unique_ptr<Listener> listener =
      std::make_unique<UnixListener>(name, make_socket_listener(engine, std::move(fd)));
  return listener;
}

}  // namespace gcs::io
