#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/cgroup.h"

/// Limits that a host changes while a container runs, and a quota of -1 among them: hosts say so for no limit of
/// processor time. runc heeds that. crun 1.8 heeds it on cgroups of version 2 where a period is beside it, passes over
/// it without one, and on version 1 refuses it as out of range.
namespace gcs::runtime {

/// OCI linux.resources that take the limit of processor time away.
bool lifts_quota(const nlohmann::json& resources);

/// The same with a period of 100 ms, the kernel's own, where such a quota has none.
nlohmann::json with_period(nlohmann::json resources);

/// The same without the quota, which lift_quota() then takes away in the cgroup itself: blocking.
nlohmann::json without_quota(nlohmann::json resources);
Result<> lift_quota(const Cgroups& cgroups, const std::string& path);

}  // namespace gcs::runtime
