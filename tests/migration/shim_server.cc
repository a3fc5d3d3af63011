#include "tests/migration/shim_server.h"

#include <unistd.h>

#include "tests/host/control_socket.h"

namespace gcs::migration {

ShimServer::ShimServer(io::Engine& engine, io::Clock& clock, io::TransportName transport, std::string stdio, Vm& vm)
    : engine_(engine),
      files_(engine, std::move(stdio)),
      shim_(engine, clock, std::move(transport)),
      session_(
          engine, clock, [] { return std::chrono::system_clock::now(); }, vm, shim_),
      migration_(session_),
      service_(engine.executor(), shim_, files_, vm),
      server_(engine.executor(), clock, services_) {
  migration_.add_to(services_);
  service_.add_to(services_);
  shim_.attend_with([this](const ContainerRecord& container) {
    const host::StreamPorts& ports = container.init.ports;
    return files_.open(container.id, {ports.in != 0, ports.out != 0, ports.err != 0});
  });
  shim_.on_present([this](bool present) {
    files_.pause(!present);
    if (!present) return;
    for (const std::string& id : shim_.containers()) files_.feed(*shim_.process(id));
  });
  shim_.on_gone([this](std::string container) { return files_.close(std::move(container)); });
}

Result<> ShimServer::listen(const std::string& path) {
  auto listener = host::listen_control(engine_, path);
  if (!listener) return listener.error();
  path_ = path;
  server_.listen(std::move(*listener));
  return {};
}

io::Task<> ShimServer::stop() {
  co_await server_.stop();
  co_await session_.stop();
  co_await service_.stop();
  co_await shim_.stop();
  co_await files_.stop();
  if (!path_.empty()) ::unlink(path_.c_str());
}

}  // namespace gcs::migration
