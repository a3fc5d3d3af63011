#pragma once

#include <functional>

#include "runtime/cgroup.h"
#include "stdio/io/offload.h"

namespace gcs::runtime {

/// Keeps the limit of /pods at the machine's memory less a reserve, while memory is added to the VM. Owned by the
/// service; outlives every session.
class PodsMemory {
 public:
  /// `total` tells the machine's memory in bytes. What is referred to outlives it.
  PodsMemory(const Cgroups& cgroups, uint64_t reserve, io::Offload& offload, io::Clock& clock,
             std::function<uint64_t()> total = total_memory);

  /// Sets the limit now, if it is another than it should be. `exhausted` when the reserve is all there is.
  io::Task<Result<>> refresh();

  /// The same, at once and every minute.
  io::Task<> run(io::Executor executor);

 private:
  const Cgroups& cgroups_;
  uint64_t reserve_;
  io::Offload& offload_;
  io::Clock& clock_;
  std::function<uint64_t()> total_;
};

}  // namespace gcs::runtime
