#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>

#include "tests/migration/session.h"

namespace gcs::migration {

/// The Migration service as a ttrpc server plugs it in: bytes to bytes, by the method's name.
///
///     server.add(Service::kName, service.unary(), service.streams());
///
/// An error's code on the wire is that of rpc_error(). Thin: what a call does is the session's. References to the
/// session, which outlives it, and from each running call to the service.
class Service {
 public:
  static constexpr const char* kName = "Migration";

  explicit Service(Session& session) : session_(session) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  using Unary = std::function<io::Task<Result<std::string>>(std::string payload)>;

  /// Takes one message of a stream; an error, once the client is gone, ends the stream.
  using Sink = std::function<io::Task<Result<>>(std::string message)>;
  using Stream = std::function<io::Task<Result<>>(std::string payload, Sink sink)>;

  std::map<std::string, Unary> unary();
  std::map<std::string, Stream> streams();

  // The same with messages.
  io::Task<Result<PrepareAndExportSandboxResponse>> prepare_and_export(PrepareAndExportSandboxRequest request);
  io::Task<Result<ImportSandboxResponse>> import(ImportSandboxRequest request);
  io::Task<Result<PrepareSandboxResponse>> prepare(PrepareSandboxRequest request);
  io::Task<Result<CreateDuplicateSocketResponse>> create_duplicate_socket(CreateDuplicateSocketRequest request);
  io::Task<Result<TransferSandboxResponse>> transfer(TransferSandboxRequest request);
  io::Task<Result<FinalizeSandboxResponse>> finalize(FinalizeSandboxRequest request);
  io::Task<Result<CancelResponse>> cancel(CancelRequest request);
  io::Task<Result<CleanupResponse>> cleanup(CleanupRequest request);

  /// Gives events to `sink` until the session is cleaned up. Not to be awaited by what the session waits for.
  io::Task<Result<>> notifications(NotificationsRequest request, Sink sink);

 private:
  Session& session_;
};

}  // namespace gcs::migration
