#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cgroup.h"

/// OCI linux.resources for a cgroup of our own, a pod's; those of containers are the OCI runtime's work. Processors by
/// number, huge pages and devices are no pod's: a workload may have others than its sandbox.
namespace gcs::runtime {

/// As the OCI runtime specification has them: bytes, microseconds, -1 for no limit. What is absent stays as it is.
struct CgroupLimits {
  std::optional<int64_t> memory;
  std::optional<int64_t> reservation;
  std::optional<int64_t> swap;  ///< memory and swap together
  std::optional<uint64_t> shares;
  std::optional<int64_t> quota;
  std::optional<uint64_t> period;
  std::optional<int64_t> pids;
  std::optional<uint64_t> blkio_weight;
};

/// `malformed` for a number that is none, named as "linux.resources.memory.limit"; null and what we do not apply are
/// passed over.
Result<CgroupLimits> limits_of(const nlohmann::json& resources);

struct CgroupSetting {
  std::string controller;
  std::string file;
  std::string value;
  bool operator==(const CgroupSetting&) const = default;
};

/// What to write where, in order. `invalid_argument` where the limits contradict each other.
Result<std::vector<CgroupSetting>> settings_of(const CgroupLimits& limits, Cgroups::Version version);

/// Writes them. A control that this kernel does not have is passed over, and logged. Blocking.
Result<> apply_limits(const Cgroups& cgroups, const std::string& path, const CgroupLimits& limits);

}  // namespace gcs::runtime
