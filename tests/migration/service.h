#pragma once

#include "tests/migration/session.h"
#include "tests/ttrpc/typed.h"

namespace gcs::migration {

/// The Migration service, as a ttrpc server takes it. Thin: what a call does is the session's. Refers to the session,
/// which outlives it; each running call refers to the service.
class Service {
 public:
  static constexpr const char* kName = "Migration";

  explicit Service(Session& session) : session_(session) {}
  Service(const Service&) = delete;
  Service& operator=(const Service&) = delete;

  void add_to(ttrpc::Services& services);

  io::Task<Result<PrepareAndExportSandboxResponse>> prepare_and_export(PrepareAndExportSandboxRequest request);
  io::Task<Result<ImportSandboxResponse>> import(ImportSandboxRequest request);
  io::Task<Result<PrepareSandboxResponse>> prepare(PrepareSandboxRequest request);
  io::Task<Result<CreateDuplicateSocketResponse>> create_duplicate_socket(CreateDuplicateSocketRequest request);
  io::Task<Result<TransferSandboxResponse>> transfer(TransferSandboxRequest request);
  io::Task<Result<FinalizeSandboxResponse>> finalize(FinalizeSandboxRequest request);
  io::Task<Result<CancelResponse>> cancel(CancelRequest request);
  io::Task<Result<CleanupResponse>> cleanup(CleanupRequest request);

  /// Gives events to `sink` until the session is cleaned up. Not to be awaited by what the session waits for.
  io::Task<ttrpc::Status> notifications(NotificationsRequest request, ttrpc::TypedSink<NotificationsResponse> sink);

 private:
  Session& session_;
};

}  // namespace gcs::migration
