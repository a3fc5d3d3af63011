#include "runtime/metrics.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
using nlohmann::json;
using Version = Cgroups::Version;

namespace {

/// The cgroup "/c" as the Go GCS saw it on version 1 when it gave the answer below.
void put_v1(const TempDir& dir) {
  const std::string unlimited = "9223372036854771712\n";
  put_file(dir / "pids/c/pids.current", "3\n");
  put_file(dir / "pids/c/pids.max", "max\n");
  put_file(dir / "cpuacct/c/cpuacct.usage", "10029959\n");
  put_file(dir / "cpuacct/c/cpuacct.stat", "user 1\nsystem 0\n");
  put_file(dir / "cpuacct/c/cpuacct.usage_percpu", "3756590 6273369 \n");
  put_file(dir / "cpu/c/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0\n");
  put_dir(dir / "blkio/c");
  const std::string memory = dir / "memory/c/memory.";
  put_file(memory + "stat",
           "cache 0\nrss 167936\nrss_huge 0\nshmem 0\nmapped_file 0\ndirty 0\nwriteback 0\nswap 0\npgpgin 508\n"
           "pgpgout 462\npgfault 900\npgmajfault 0\ninactive_anon 86016\nactive_anon 8192\ninactive_file 0\n"
           "active_file 0\nunevictable 0\nhierarchical_memory_limit 268435456\n"
           "hierarchical_memsw_limit 9223372036854771712\ntotal_cache 0\ntotal_rss 167936\ntotal_pgpgin 508\n"
           "total_pgpgout 462\ntotal_pgfault 900\ntotal_inactive_anon 86016\ntotal_active_anon 8192\n");
  put_file(memory + "limit_in_bytes", "268435456\n");
  put_file(memory + "usage_in_bytes", "864256\n");
  put_file(memory + "max_usage_in_bytes", "2654208\n");
  put_file(memory + "failcnt", "0\n");
  put_file(memory + "memsw.limit_in_bytes", unlimited);
  put_file(memory + "memsw.usage_in_bytes", "864256\n");
  put_file(memory + "memsw.max_usage_in_bytes", "2654208\n");
  put_file(memory + "memsw.failcnt", "0\n");
  put_file(memory + "kmem.limit_in_bytes", unlimited);
  put_file(memory + "kmem.usage_in_bytes", "389120\n");
  put_file(memory + "kmem.max_usage_in_bytes", "663552\n");
  put_file(memory + "kmem.tcp.limit_in_bytes", unlimited);
  put_file(memory + "kmem.tcp.usage_in_bytes", "0\n");
  put_file(memory + "oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
}

constexpr const char* kV1Answer =
    R"({"pids":{"current":3},"cpu":{"usage":{"total":10029959,"user":10000000,"per_cpu":[3756590,6273369]},)"
    R"("throttling":{}},"memory":{"rss":167936,"pg_pg_in":508,"pg_pg_out":462,"pg_fault":900,"inactive_anon":86016,)"
    R"("active_anon":8192,"hierarchical_memory_limit":268435456,"hierarchical_swap_limit":9223372036854771712,)"
    R"("total_rss":167936,"total_pg_pg_in":508,"total_pg_pg_out":462,"total_pg_fault":900,)"
    R"("total_inactive_anon":86016,"total_active_anon":8192,)"
    R"("usage":{"limit":268435456,"usage":864256,"max":2654208},)"
    R"("swap":{"limit":9223372036854771712,"usage":864256,"max":2654208},)"
    R"("kernel":{"limit":9223372036854771712,"usage":389120,"max":663552},)"
    R"("kernel_tcp":{"limit":9223372036854771712}},"blkio":{},"memory_oom_control":{}})";

void put_v2(const TempDir& dir) {
  put_file(dir / "c/pids.current", "2\n");
  put_file(dir / "c/pids.max", "max\n");
  put_file(dir / "c/cpu.stat", "usage_usec 41873\nuser_usec 32662\nsystem_usec 9211\nnr_periods 0\nnr_throttled 0\n");
  put_file(dir / "c/memory.stat", "anon 1150976\nfile 4096\nkernel_stack 32768\nsock 0\npgfault 612\n");
  put_file(dir / "c/memory.current", "1630208\n");
  put_file(dir / "c/memory.max", "max\n");
  put_file(dir / "c/memory.peak", "2150400\n");
  put_file(dir / "c/memory.swap.max", "max\n");
  put_file(dir / "c/memory.swap.current", "0\n");
  put_file(dir / "c/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\n");
}

constexpr const char* kV2Answer =
    R"({"pids":{"current":2,"limit":18446744073709551615},)"
    R"("cpu":{"usage":{"total":41873000,"kernel":9211000,"user":32662000},"throttling":{}},)"
    R"("memory":{"cache":4096,"rss":1150976,"pg_fault":612,"hierarchical_memory_limit":18446744073709551615,)"
    R"("hierarchical_swap_limit":18446744073709551615,)"
    R"("usage":{"limit":18446744073709551615,"usage":1630208,"max":2150400},"swap":{"limit":18446744073709551615},)"
    R"("kernel":{"usage":32768},"kernel_tcp":{}},"rdma":{},"memory_oom_control":{}})";

json metrics_of(const Cgroups& cgroups) {
  const auto stats = read_cgroup_stats(cgroups, "/c");
  REQUIRE(stats);
  return metrics_json(*stats);
}

}  // namespace

TEST_CASE("metrics: a version 1 cgroup gives the document that hosts are used to") {
  const TempDir dir;
  put_v1(dir);
  const auto cgroups = Cgroups::find(dir.path());
  REQUIRE(cgroups);
  CHECK(metrics_of(*cgroups) == json::parse(kV1Answer));
}

TEST_CASE("metrics: a version 2 cgroup gives the same shape, and no limit is the largest number") {
  const TempDir dir;
  put_v2(dir);
  CHECK(metrics_of(Cgroups(dir.path(), Version::v2)) == json::parse(kV2Answer));
}

TEST_CASE("metrics: throttling, OOM kills and kernel memory come from version 2's files") {
  const TempDir dir;
  put_v2(dir);
  put_file(dir / "c/cpu.stat", "usage_usec 1\nnr_periods 9\nnr_throttled 4\nthrottled_usec 77\n");
  put_file(dir / "c/memory.events", "oom 3\noom_kill 2\n");
  put_file(dir / "c/memory.stat", "sock 8192\nfile_mapped 1\nfile_dirty 2\nfile_writeback 3\npgmajfault 4\n");
  const json metrics = metrics_of(Cgroups(dir.path(), Version::v2));
  CHECK(metrics["cpu"]["throttling"] == json::parse(R"({"periods":9,"throttled_periods":4,"throttled_time":77000})"));
  CHECK(metrics["memory_oom_control"] == json::parse(R"({"oom_kill":2})"));
  CHECK(metrics["memory"]["kernel_tcp"]["usage"] == 8192);
  CHECK(metrics["memory"]["mapped_file"] == 1);
  CHECK(metrics["memory"]["dirty"] == 2);
  CHECK(metrics["memory"]["writeback"] == 3);
  CHECK(metrics["memory"]["pg_maj_fault"] == 4);
}

TEST_CASE("metrics: huge pages are listed by size, on both versions") {
  const TempDir dir;
  put_file(dir / "v1/hugetlb/c/hugetlb.2MB.usage_in_bytes", "2097152\n");
  put_file(dir / "v1/hugetlb/c/hugetlb.2MB.max_usage_in_bytes", "4194304\n");
  put_file(dir / "v1/hugetlb/c/hugetlb.2MB.failcnt", "1\n");
  put_file(dir / "v1/hugetlb/c/hugetlb.2MB.rsvd.usage_in_bytes", "9\n");
  put_file(dir / "v1/hugetlb/c/hugetlb.1GB.usage_in_bytes", "0\n");
  const auto one = Cgroups::find(dir / "v1");
  REQUIRE(one);
  CHECK(metrics_of(*one)["hugetlb"] ==
        json::parse(R"([{"pagesize":"1GB"},{"usage":2097152,"max":4194304,"failcnt":1,"pagesize":"2MB"}])"));

  put_file(dir / "v2/c/hugetlb.2MB.current", "2097152\n");
  put_file(dir / "v2/c/hugetlb.2MB.max", "max\n");
  put_file(dir / "v2/c/hugetlb.2MB.rsvd.current", "9\n");
  const json two = metrics_of(Cgroups(dir / "v2", Version::v2));
  CHECK(two["hugetlb"] == json::parse(R"([{"usage":2097152,"max":18446744073709551615,"pagesize":"2MB"}])"));
}

TEST_CASE("metrics: controllers that are absent leave their part out, garbage counts as nothing") {
  const TempDir dir;
  put_dir(dir / "v1/freezer/c");
  const auto bare = Cgroups::find(dir / "v1");
  REQUIRE(bare);
  CHECK(metrics_of(*bare) == json::object());

  put_file(dir / "v2/c/pids.current", "many\n");
  put_file(dir / "v2/c/pids.max", "-1\n");
  put_file(dir / "v2/c/cpu.stat", "\n\n usage_usec\nusage_usec x\n");
  CHECK(metrics_of(Cgroups(dir / "v2", Version::v2)) ==
        json::parse(R"({"pids":{},"cpu":{"usage":{},"throttling":{}},"rdma":{}})"));
}

TEST_CASE("metrics: a cgroup that is not there is not found") {
  const TempDir dir;
  put_dir(dir / "memory");
  CHECK(read_cgroup_stats(Cgroups(dir.path(), Version::v2), "/c").error().code() == Errc::not_found);
  const auto one = Cgroups::find(dir.path());
  REQUIRE(one);
  CHECK(read_cgroup_stats(*one, "/c").error().code() == Errc::not_found);
}
