#include "tests/host/control_socket.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

#include "stdio/io/socket.h"

namespace gcs::host {
namespace {

Result<sockaddr_un> address_of(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Error(Errc::invalid_argument, "\"" + path + "\" is no path for a socket");
  }
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

bool somebody_listens(const sockaddr_un& address) {
  const io::Fd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  return probe && ::connect(probe.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

}  // namespace

Result<std::unique_ptr<io::Listener>> listen_control(io::Engine& engine, const std::string& path) {
  const auto address = address_of(path);
  if (!address) return address.error();
  std::error_code ignored;  // bind(2) reports what is wrong with the path
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  if (somebody_listens(*address)) return Error(Errc::already_exists, "a server is listening on " + path);
  ::unlink(path.c_str());
  io::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) return sys_error("socket");
  ::fchmod(fd.get(), 0600);  // bind(2) takes the mode from the socket: nobody else can connect, not even for a moment
  if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&*address), sizeof *address) != 0) {
    return sys_error("bind " + path);
  }
  if (::listen(fd.get(), 16) != 0) return sys_error("listen on " + path);
  return io::make_socket_listener(engine, std::move(fd));
}

io::Task<Result<std::unique_ptr<io::Stream>>> dial_control(io::Engine& engine, std::string path) {
  const auto address = address_of(path);
  if (!address) co_return address.error();
  io::Fd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd) co_return sys_error("socket");
  sockaddr_storage storage{};
  std::memcpy(&storage, &*address, sizeof *address);
  co_return co_await io::connect_socket(engine, std::move(fd), storage, sizeof(sockaddr_un));
}

}  // namespace gcs::host
