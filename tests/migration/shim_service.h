#pragma once

#include "proto/shim.pb.h"
#include "tests/migration/shim.h"
#include "tests/migration/stdio_files.h"
#include "tests/migration/vm.h"
#include "tests/ttrpc/services.h"

namespace gcs::migration {

/// What a shim does for its clients, as proto/shim.proto has it. Refers to all it is given, which outlives its calls.
class ShimService {
 public:
  static constexpr const char* kName = "gcs.shim.Shim";

  ShimService(Shim& shim, StdioFiles& files, const Vm& vm) : shim_(shim), files_(files), vm_(vm) {}

  void add_to(ttrpc::Services& services);

  io::Task<Result<gcs::shim::StartResponse>> start(gcs::shim::StartRequest request);
  io::Task<Result<gcs::shim::WaitResponse>> wait(gcs::shim::WaitRequest request);
  io::Task<Result<gcs::shim::SignalResponse>> signal(gcs::shim::SignalRequest request);
  io::Task<Result<gcs::shim::RemoveResponse>> remove(gcs::shim::RemoveRequest request);
  io::Task<Result<gcs::shim::ListResponse>> list(gcs::shim::ListRequest request);
  io::Task<Result<gcs::shim::ProgressResponse>> progress(gcs::shim::ProgressRequest request);

 private:
  Shim& shim_;
  StdioFiles& files_;
  const Vm& vm_;
};

}  // namespace gcs::migration
