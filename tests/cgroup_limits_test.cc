#include "runtime/cgroup_limits.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
using nlohmann::json;
using Settings = std::vector<CgroupSetting>;
using Version = Cgroups::Version;

namespace {

Settings settings(const char* resources, Version version) {
  const auto limits = limits_of(json::parse(resources));
  REQUIRE_MESSAGE(limits, limits.error().message());
  const auto found = settings_of(*limits, version);
  REQUIRE_MESSAGE(found, found.error().message());
  return *found;
}

struct Row {
  const char* resources;
  Settings v1;
  Settings v2;
};

const std::vector<Row> kTable = {
    {R"({})", {}, {}},
    {R"({"memory": null, "cpu": {"shares": 0, "quota": 0, "period": 0}, "pids": {"limit": 0}})", {}, {}},
    {R"({"memory": {"limit": 1048576}})",
     {{"memory", "memory.limit_in_bytes", "1048576"}},
     {{"memory", "memory.max", "1048576"}}},
    {R"({"memory": {"limit": -1, "reservation": 4096}})",
     {{"memory", "memory.limit_in_bytes", "-1"}, {"memory", "memory.soft_limit_in_bytes", "4096"}},
     {{"memory", "memory.max", "max"}, {"memory", "memory.low", "4096"}}},
    // OCI's swap is memory and swap together, version 2's is swap alone.
    {R"({"memory": {"limit": 1000, "swap": 1500}})",
     {{"memory", "memory.limit_in_bytes", "1000"}, {"memory", "memory.memsw.limit_in_bytes", "1500"}},
     {{"memory", "memory.max", "1000"}, {"memory", "memory.swap.max", "500"}}},
    {R"({"memory": {"limit": 1000, "swap": -1}})",
     {{"memory", "memory.limit_in_bytes", "1000"}, {"memory", "memory.memsw.limit_in_bytes", "-1"}},
     {{"memory", "memory.max", "1000"}, {"memory", "memory.swap.max", "max"}}},
    {R"({"memory": {"limit": 1000, "swap": 0}})",
     {{"memory", "memory.limit_in_bytes", "1000"}},
     {{"memory", "memory.max", "1000"}}},
    // Hosts send -1 for "unlimited".
    {R"({"cpu": {"quota": -1, "period": 100000}})",
     {{"cpu", "cpu.cfs_period_us", "100000"}, {"cpu", "cpu.cfs_quota_us", "-1"}},
     {{"cpu", "cpu.max", "max 100000"}}},
    {R"({"cpu": {"quota": 50000}})", {{"cpu", "cpu.cfs_quota_us", "50000"}}, {{"cpu", "cpu.max", "50000 100000"}}},
    {R"({"cpu": {"period": 20000}})", {{"cpu", "cpu.cfs_period_us", "20000"}}, {{"cpu", "cpu.max", "max 20000"}}},
    {R"({"cpu": {"shares": 2}})", {{"cpu", "cpu.shares", "2"}}, {{"cpu", "cpu.weight", "1"}}},
    {R"({"cpu": {"shares": 1024}})", {{"cpu", "cpu.shares", "1024"}}, {{"cpu", "cpu.weight", "39"}}},
    {R"({"cpu": {"shares": 262144}})", {{"cpu", "cpu.shares", "262144"}}, {{"cpu", "cpu.weight", "10000"}}},
    {R"({"cpu": {"shares": 1}})", {{"cpu", "cpu.shares", "1"}}, {{"cpu", "cpu.weight", "1"}}},
    {R"({"cpu": {"shares": 9999999}})", {{"cpu", "cpu.shares", "9999999"}}, {{"cpu", "cpu.weight", "10000"}}},
    {R"({"pids": {"limit": 100}, "blockIO": {"weight": 500}})",
     {{"pids", "pids.max", "100"}, {"blkio", "blkio.bfq.weight", "500"}},
     {{"pids", "pids.max", "100"}, {"io", "io.bfq.weight", "500"}}},
};

}  // namespace

TEST_CASE("cgroup limits: OCI resources become what each version's files take") {
  for (const Row& row : kTable) {
    CAPTURE(row.resources);
    CHECK(settings(row.resources, Version::v1) == row.v1);
    CHECK(settings(row.resources, Version::v2) == row.v2);
  }
}

TEST_CASE("cgroup limits: processors by number, huge pages and devices are each container's own, and give no files") {
  for (const char* resources :
       {R"({"cpu": {"cpus": "0-1", "mems": "0"}})", R"({"hugepageLimits": [{"pageSize": "2MB", "limit": 4194304}]})",
        R"({"devices": [{"allow": false, "access": "rwm"}]})"}) {
    CAPTURE(resources);
    CHECK(settings(resources, Version::v1).empty());
    CHECK(settings(resources, Version::v2).empty());
  }
}

TEST_CASE("cgroup limits: swap that contradicts the memory is refused where it cannot be written") {
  for (const char* memory : {R"({"memory": {"swap": 5}})", R"({"memory": {"limit": -1, "swap": 5}})",
                             R"({"memory": {"limit": 10, "swap": 5}})"}) {
    CAPTURE(memory);
    const auto limits = limits_of(json::parse(memory));
    REQUIRE(limits);
    CHECK(settings_of(*limits, Version::v2).error().code() == Errc::invalid_argument);
  }
}

TEST_CASE("cgroup limits: what is no number is malformed, and named") {
  for (const char* bad : {R"({"memory": {"limit": "1"}})", R"({"memory": {"limit": 1.5}})",
                          R"({"memory": {"limit": 18446744073709551615}})"}) {
    CAPTURE(bad);
    const auto limits = limits_of(json::parse(bad));
    REQUIRE_FALSE(limits);
    CHECK(limits.error().code() == Errc::malformed);
    CHECK(limits.error().message().find("memory.limit") != std::string::npos);
  }
  CHECK(limits_of(json::parse(R"({"cpu": {"shares": -1}})")).error().code() == Errc::malformed);
}

TEST_CASE("cgroup limits: a control that the kernel does not have is passed over, any other failure is not") {
  const TempDir dir;
  put_file(dir / "pods/p/memory.max", "");
  const Cgroups cgroups(dir.path(), Version::v2);
  CgroupLimits limits;
  limits.memory = 4096;
  limits.shares = 1024;  // there is no cpu.weight
  REQUIRE(apply_limits(cgroups, "/pods/p", limits));
  CHECK(get_file(dir / "pods/p/memory.max") == "4096");
  put_dir(dir / "pods/p/cpu.weight");
  const auto failed = apply_limits(cgroups, "/pods/p", limits);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message().find("/pods/p") != std::string::npos);
}
