#include "stdio/io/vsock.h"

#include <linux/vm_sockets.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <cstring>

#include "stdio/io/socket.h"

namespace gcs::io {
namespace {

sockaddr_storage vsock_address(unsigned cid, unsigned port) {
  sockaddr_vm address{};
  address.svm_family = AF_VSOCK;
  address.svm_cid = cid;
  address.svm_port = port;
  sockaddr_storage storage{};
  std::memcpy(&storage, &address, sizeof address);
  return storage;
}

Result<Fd> vsock_socket(std::chrono::milliseconds connect_limit) {
  Fd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return conn_error("vsock socket");
  timeval limit{};
  limit.tv_sec = connect_limit.count() / 1000;
  limit.tv_usec = static_cast<suseconds_t>(connect_limit.count() % 1000 * 1000);
  ::setsockopt(fd.get(), AF_VSOCK, SO_VM_SOCKETS_CONNECT_TIMEOUT, &limit, sizeof limit);
  return fd;
}

class VsockDialer final : public Dialer {
 public:
  VsockDialer(Engine& engine, unsigned cid, std::chrono::milliseconds limit)
      : engine_(engine), cid_(cid), limit_(limit) {}

  Task<Result<std::unique_ptr<Stream>>> dial(Port port) override {
    auto fd = vsock_socket(limit_);
    if (!fd) co_return fd.error();
    const sockaddr_storage address = vsock_address(cid_, port);
    co_return co_await connect_socket(engine_, std::move(*fd), address, sizeof(sockaddr_vm));
  }

 private:
  Engine& engine_;
  unsigned cid_;
  std::chrono::milliseconds limit_;
};

}  // namespace

Result<Fd> vsock_connect_blocking(unsigned cid, unsigned port, std::chrono::milliseconds limit) {
  auto fd = vsock_socket(limit);
  if (!fd) return fd.error();
  const sockaddr_storage address = vsock_address(cid, port);
  if (::connect(fd->get(), reinterpret_cast<const sockaddr*>(&address), sizeof(sockaddr_vm)) != 0) {
    return conn_error("vsock connect");
  }
  return fd;
}

std::unique_ptr<Dialer> make_vsock_dialer(Engine& engine, unsigned cid, std::chrono::milliseconds limit) {
  return std::make_unique<VsockDialer>(engine, cid, limit);
}

Result<std::unique_ptr<Listener>> make_vsock_listener(Engine& engine, Port port) {
  Fd fd(::socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return sys_error("vsock socket");
  const sockaddr_storage address = vsock_address(VMADDR_CID_ANY, port);
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof(sockaddr_vm)) != 0) {
    return sys_error("vsock bind port " + std::to_string(port));
  }
  if (::listen(fd.get(), 64) != 0) return sys_error("vsock listen");
  return make_socket_listener(engine, std::move(fd));
}

}  // namespace gcs::io
