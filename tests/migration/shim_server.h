#pragma once

#include <memory>
#include <string>

#include "tests/migration/service.h"
#include "tests/migration/session.h"
#include "tests/migration/shim.h"
#include "tests/migration/shim_service.h"
#include "tests/migration/stdio_files.h"
#include "tests/ttrpc/server.h"

namespace gcs::migration {

/// A whole shim: its bridge and containers, its VM, the session of a migration, and the services on a Unix socket. Stop
/// it and join before it goes.
class ShimServer {
 public:
  /// `stdio` is the directory of StdioFiles. The VM is the caller's and outlives it.
  ShimServer(io::Engine& engine, io::Clock& clock, io::TransportName transport, std::string stdio, Vm& vm);

  Shim& shim() { return shim_; }
  Session& session() { return session_; }

  /// Clients may come from now on. Errors: those of the socket's path.
  Result<> listen(const std::string& path);

  io::Task<> stop();

 private:
  io::Engine& engine_;
  StdioFiles files_;
  Shim shim_;
  Session session_;
  Service migration_;
  ShimService service_;
  ttrpc::Services services_;
  ttrpc::Server server_;
  std::string path_;
};

}  // namespace gcs::migration
