#include "runtime/cgroup_limits.h"

#include <algorithm>

#include "runtime/spec_json.h"
#include "stdio/io/fd.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

constexpr uint64_t kMinShares = 2;
constexpr uint64_t kMaxShares = 262144;
constexpr uint64_t kMinWeight = 1;
constexpr uint64_t kMaxWeight = 10000;
constexpr uint64_t kDefaultPeriod = 100'000;

/// Reads numbers of the document; the first failure stays.
class Reader {
 public:
  explicit Reader(const Json& resources) : resources_(resources) {}

  template <class Int>
  std::optional<Int> number(const char* part, const char* name) {
    const Json& value = member(member(resources_, part), name);
    if (value.is_null()) return std::nullopt;
    const bool fits = value.is_number_integer() && (std::is_signed_v<Int> ? !is_huge(value) : !is_negative(value));
    if (fits) return value.get<Int>();
    if (!failure_) {
      failure_ = Error(Errc::malformed, "linux.resources." + std::string(part) + "." + name + ": not such a number");
    }
    return std::nullopt;
  }

  const std::optional<Error>& failure() const { return failure_; }

 private:
  static bool is_negative(const Json& value) { return !value.is_number_unsigned() && value.get<int64_t>() < 0; }
  static bool is_huge(const Json& value) {
    return value.is_number_unsigned() && value.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX);
  }

  const Json& resources_;
  std::optional<Error> failure_;
};

std::string max_or(int64_t value) {
  return value < 0 ? "max" : std::to_string(value);
}

/// Version 1's share of processor time as version 2's, both on their whole range.
uint64_t weight_of(uint64_t shares) {
  const uint64_t within = std::clamp(shares, kMinShares, kMaxShares);
  return kMinWeight + (within - kMinShares) * (kMaxWeight - kMinWeight) / (kMaxShares - kMinShares);
}

/// Version 2 limits swap by itself.
Result<std::string> swap_alone(const CgroupLimits& limits) {
  if (*limits.swap < 0) return std::string("max");
  if (!limits.memory || *limits.memory < 0) {
    return Error(Errc::invalid_argument, "linux.resources.memory.swap: a limit needs one of memory, too");
  }
  if (*limits.swap < *limits.memory) {
    return Error(Errc::invalid_argument, "linux.resources.memory.swap: below memory.limit, which it includes");
  }
  return std::to_string(*limits.swap - *limits.memory);
}

std::vector<CgroupSetting> settings_v1(const CgroupLimits& limits) {
  std::vector<CgroupSetting> settings;
  auto add = [&](const char* controller, const char* file, auto value) {
    if (value) settings.push_back({controller, file, std::to_string(*value)});
  };
  add("memory", "memory.limit_in_bytes", limits.memory);
  // Never below the limit, so after it.
  if (limits.swap != 0) add("memory", "memory.memsw.limit_in_bytes", limits.swap);
  add("memory", "memory.soft_limit_in_bytes", limits.reservation);
  if (limits.shares != 0) add("cpu", "cpu.shares", limits.shares);
  if (limits.period != 0) add("cpu", "cpu.cfs_period_us", limits.period);
  if (limits.quota != 0) add("cpu", "cpu.cfs_quota_us", limits.quota);
  if (limits.pids && *limits.pids > 0) add("pids", "pids.max", limits.pids);
  if (limits.blkio_weight != 0) add("blkio", "blkio.bfq.weight", limits.blkio_weight);
  return settings;
}

Result<std::vector<CgroupSetting>> settings_v2(const CgroupLimits& limits) {
  std::vector<CgroupSetting> settings;
  if (limits.memory) settings.push_back({"memory", "memory.max", max_or(*limits.memory)});
  if (limits.reservation) settings.push_back({"memory", "memory.low", max_or(*limits.reservation)});
  if (limits.swap && *limits.swap != 0) {
    const auto swap = swap_alone(limits);
    if (!swap) return swap.error();
    settings.push_back({"memory", "memory.swap.max", *swap});
  }
  if (limits.shares && *limits.shares != 0) {
    settings.push_back({"cpu", "cpu.weight", std::to_string(weight_of(*limits.shares))});
  }
  if (limits.quota.value_or(0) != 0 || limits.period.value_or(0) != 0) {
    const int64_t quota = limits.quota.value_or(0);
    const uint64_t period = limits.period.value_or(0) != 0 ? *limits.period : kDefaultPeriod;
    const std::string most = quota > 0 ? std::to_string(quota) : "max";  // 0 and -1: no limit
    settings.push_back({"cpu", "cpu.max", most + " " + std::to_string(period)});
  }
  if (limits.pids && *limits.pids > 0) settings.push_back({"pids", "pids.max", std::to_string(*limits.pids)});
  if (limits.blkio_weight && *limits.blkio_weight != 0) {
    settings.push_back({"io", "io.bfq.weight", std::to_string(*limits.blkio_weight)});
  }
  return settings;
}

}  // namespace

Result<CgroupLimits> limits_of(const Json& resources) {
  Reader read(resources);
  CgroupLimits limits;
  limits.memory = read.number<int64_t>("memory", "limit");
  limits.reservation = read.number<int64_t>("memory", "reservation");
  limits.swap = read.number<int64_t>("memory", "swap");
  limits.shares = read.number<uint64_t>("cpu", "shares");
  limits.quota = read.number<int64_t>("cpu", "quota");
  limits.period = read.number<uint64_t>("cpu", "period");
  limits.pids = read.number<int64_t>("pids", "limit");
  limits.blkio_weight = read.number<uint64_t>("blockIO", "weight");
  if (read.failure()) return *read.failure();
  return limits;
}

Result<std::vector<CgroupSetting>> settings_of(const CgroupLimits& limits, Cgroups::Version version) {
  if (version == Cgroups::Version::v2) return settings_v2(limits);
  return settings_v1(limits);
}

Result<> apply_limits(const Cgroups& cgroups, const std::string& path, const CgroupLimits& limits) {
  const auto settings = settings_of(limits, cgroups.version());
  if (!settings) return settings.error();
  for (const CgroupSetting& setting : *settings) {
    const std::string dir = cgroups.directory(setting.controller, path);
    const auto written = dir.empty() ? Result<>(Error(Errc::not_found, "", ENOENT))
                                     : io::write_file(dir + "/" + setting.file, setting.value);
    if (written) continue;
    if (written.error().sys_errno() != ENOENT) return written.error().within("limit the cgroup " + path);
    log::warn("the kernel has no such control", {{"cgroup", path}, {"file", setting.file}});
  }
  return {};
}

}  // namespace gcs::runtime
