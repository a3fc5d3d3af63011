#include "runtime/resource_update.h"

#include "runtime/cgroup_limits.h"
#include "runtime/spec_json.h"

namespace gcs::runtime {
namespace {

constexpr uint64_t kPeriod = 100'000;

}  // namespace

bool lifts_quota(const Json& resources) {
  const Json& quota = member(member(resources, "cpu"), "quota");
  return quota.is_number_integer() && !quota.is_number_unsigned() && quota.get<int64_t>() < 0;
}

Json with_period(Json resources) {
  if (!lifts_quota(resources)) return resources;
  Json& cpu = resources["cpu"];
  const Json& period = member(cpu, "period");
  if (period.is_null() || period == 0) cpu["period"] = kPeriod;
  return resources;
}

Json without_quota(Json resources) {
  if (lifts_quota(resources)) resources["cpu"].erase("quota");
  return resources;
}

Result<> lift_quota(const Cgroups& cgroups, const std::string& path) {
  CgroupLimits limits;
  limits.quota = -1;
  return apply_limits(cgroups, path, limits);
}

}  // namespace gcs::runtime
