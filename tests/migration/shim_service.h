#pragma once

#include "proto/shim.pb.h"
#include "tests/migration/shim.h"
#include "tests/migration/stdio_files.h"
#include "tests/migration/vm.h"
#include "tests/ttrpc/services.h"

namespace gcs::migration {

/// What a shim does for its clients, as proto/shim.proto has it. Start and Remove are finished also where their client
/// has gone: the guest is left with no half of a container. Refers to all it is given. Stop it before it goes.
class ShimService {
 public:
  static constexpr const char* kName = "gcs.shim.Shim";

  ShimService(io::Executor executor, Shim& shim, StdioFiles& files, const Vm& vm)
      : shim_(shim), files_(files), vm_(vm), calls_(executor) {}

  void add_to(ttrpc::Services& services);

  io::Task<Result<gcs::shim::StartResponse>> start(gcs::shim::StartRequest request);
  io::Task<Result<gcs::shim::WaitResponse>> wait(gcs::shim::WaitRequest request);
  io::Task<Result<gcs::shim::SignalResponse>> signal(gcs::shim::SignalRequest request);
  io::Task<Result<gcs::shim::RemoveResponse>> remove(gcs::shim::RemoveRequest request);
  io::Task<Result<gcs::shim::ListResponse>> list(gcs::shim::ListRequest request);
  io::Task<Result<gcs::shim::ProgressResponse>> progress(gcs::shim::ProgressRequest request);

  /// Ends what goes on without a client.
  io::Task<> stop();

 private:
  io::Task<Result<gcs::shim::StartResponse>> do_start(gcs::shim::StartRequest request);
  io::Task<Result<gcs::shim::RemoveResponse>> do_remove(gcs::shim::RemoveRequest request);

  Shim& shim_;
  StdioFiles& files_;
  const Vm& vm_;
  io::TaskGroup calls_;
};

}  // namespace gcs::migration
