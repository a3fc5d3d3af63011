// Limits changed while a container runs: what an unlimited quota becomes.

#include "runtime/resource_update.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
using nlohmann::json;

TEST_CASE("resource update: only a negative quota takes the limit away") {
  CHECK(lifts_quota(json::parse(R"({"cpu":{"quota":-1}})")));
  CHECK(lifts_quota(json::parse(R"({"cpu":{"quota":-5,"period":1000}})")));
  for (const char* text : {R"({"cpu":{"quota":50000}})", R"({"cpu":{"quota":0}})", R"({"cpu":{"quota":"-1"}})",
                           R"({"cpu":{"quota":-1.5}})", R"({"cpu":{"quota":null}})", R"({"cpu":{}})", R"({"cpu":[-1]})",
                           R"({"memory":{"limit":-1}})", R"({})", R"(null)", R"([])"}) {
    CAPTURE(text);
    const json resources = json::parse(text);
    CHECK_FALSE(lifts_quota(resources));
    CHECK(with_period(resources) == resources);
    CHECK(without_quota(resources) == resources);
  }
}

TEST_CASE("resource update: an unlimited quota gets a period where the host gave none, and keeps the host's") {
  CHECK(with_period(json::parse(R"({"cpu":{"quota":-1}})")) == json::parse(R"({"cpu":{"quota":-1,"period":100000}})"));
  CHECK(with_period(json::parse(R"({"cpu":{"quota":-1,"period":0}})"))["cpu"]["period"] == 100000);
  CHECK(with_period(json::parse(R"({"cpu":{"quota":-1,"period":7000}})"))["cpu"]["period"] == 7000);
}

TEST_CASE("resource update: without its quota the rest stays as the host sent it") {
  CHECK(without_quota(json::parse(R"({"cpu":{"quota":-1,"shares":2},"pids":{"limit":3},"x":1})")) ==
        json::parse(R"({"cpu":{"shares":2},"pids":{"limit":3},"x":1})"));
}

TEST_CASE("resource update: the quota is taken away in the cgroup, of either version") {
  const TempDir dir;
  put_file(dir / "v1/cpu/c/cpu.cfs_quota_us", "");
  put_file(dir / "v1/cpu/c/cpu.cfs_period_us", "20000");
  const auto one = Cgroups::find(dir / "v1");
  REQUIRE(one);
  CHECK(lift_quota(*one, "/c"));
  CHECK(get_file(dir / "v1/cpu/c/cpu.cfs_quota_us") == "-1");
  CHECK(get_file(dir / "v1/cpu/c/cpu.cfs_period_us") == "20000");
  put_file(dir / "v2/c/cpu.max", "");
  CHECK(lift_quota(Cgroups(dir / "v2", Cgroups::Version::v2), "/c"));
  CHECK(get_file(dir / "v2/c/cpu.max") == "max 100000");
}
