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

std::string text_of(const Cgroups& cgroups) {
  const auto stats = read_cgroup_stats(cgroups, "/c");
  REQUIRE(stats);
  return metrics_text(*stats);
}

json metrics_of(const Cgroups& cgroups) {
  return json::parse(text_of(cgroups));
}

/// Numbers from `first` on.
CgroupStats::MemoryStat memory_stat_from(uint64_t first) {
  CgroupStats::MemoryStat stat;
  for (uint64_t* field : {&stat.cache, &stat.rss, &stat.rss_huge, &stat.mapped_file, &stat.dirty, &stat.writeback,
                          &stat.pg_pg_in, &stat.pg_pg_out, &stat.pg_fault, &stat.pg_maj_fault, &stat.inactive_anon,
                          &stat.active_anon, &stat.inactive_file, &stat.active_file, &stat.unevictable}) {
    *field = first++;
  }
  return stat;
}

CgroupStats full_stats() {
  CgroupStats stats;
  stats.hugetlb = {{"1GB", 1, 2, 3}, {"2MB", 4, 5, 6}};
  stats.pids = {7, 8};
  CgroupStats::Cpu cpu;
  cpu.total = 9;
  cpu.kernel = 10;
  cpu.user = 11;
  cpu.per_cpu = {12, 0};
  cpu.periods = 13;
  cpu.throttled_periods = 14;
  cpu.throttled_time = 15;
  stats.cpu = cpu;
  CgroupStats::Memory memory;
  memory.own = memory_stat_from(20);
  memory.hierarchical_memory_limit = 35;
  memory.hierarchical_swap_limit = 36;
  memory.total = memory_stat_from(40);
  memory.usage = {60, 61, 62, 63};
  memory.swap = {64, 65, 66, 67};
  memory.kernel = {68, 69, 70, 71};
  memory.kernel_tcp = {72, 73, 74, 75};
  stats.memory = memory;
  stats.has_blkio = stats.has_rdma = true;
  stats.oom = {80, 81, 82};
  return stats;
}

constexpr const char* kFullAnswer =
    R"({"hugetlb":[{"usage":1,"max":2,"failcnt":3,"pagesize":"1GB"},{"usage":4,"max":5,"failcnt":6,"pagesize":"2MB"}],)"
    R"("pids":{"current":7,"limit":8},)"
    R"("cpu":{"usage":{"total":9,"kernel":10,"user":11,"per_cpu":[12,0]},)"
    R"("throttling":{"periods":13,"throttled_periods":14,"throttled_time":15}},)"
    R"("memory":{"cache":20,"rss":21,"rss_huge":22,"mapped_file":23,"dirty":24,"writeback":25,"pg_pg_in":26,)"
    R"("pg_pg_out":27,"pg_fault":28,"pg_maj_fault":29,"inactive_anon":30,"active_anon":31,"inactive_file":32,)"
    R"("active_file":33,"unevictable":34,"hierarchical_memory_limit":35,"hierarchical_swap_limit":36,)"
    R"("total_cache":40,"total_rss":41,"total_rss_huge":42,"total_mapped_file":43,"total_dirty":44,)"
    R"("total_writeback":45,"total_pg_pg_in":46,"total_pg_pg_out":47,"total_pg_fault":48,"total_pg_maj_fault":49,)"
    R"("total_inactive_anon":50,"total_active_anon":51,"total_inactive_file":52,"total_active_file":53,)"
    R"("total_unevictable":54,"usage":{"limit":60,"usage":61,"max":62,"failcnt":63},)"
    R"("swap":{"limit":64,"usage":65,"max":66,"failcnt":67},"kernel":{"limit":68,"usage":69,"max":70,"failcnt":71},)"
    R"("kernel_tcp":{"limit":72,"usage":73,"max":74,"failcnt":75}},"blkio":{},"rdma":{},)"
    R"("memory_oom_control":{"oom_kill_disable":80,"under_oom":81,"oom_kill":82}})";

}  // namespace

TEST_CASE("metrics: every field has its name and its place, in the order of the Go GCS") {
  CHECK(metrics_text(full_stats()) == kFullAnswer);
  CHECK(metrics_text(CgroupStats()) == "{}");
}

TEST_CASE("metrics: every number of version 2 has its source") {
  const TempDir dir;
  put_file(dir / "c/pids.current", "1\n");
  put_file(dir / "c/pids.max", "2\n");
  put_file(dir / "c/cpu.stat",
           "usage_usec 3\nuser_usec 4\nsystem_usec 5\nnr_periods 6\nnr_throttled 7\nthrottled_usec 8\n");
  put_file(dir / "c/memory.stat",
           "anon 10\nfile 11\nkernel 90\nkernel_stack 12\npagetables 91\nsock 13\nshmem 92\nfile_mapped 14\n"
           "file_dirty 15\nfile_writeback 16\nanon_thp 93\ninactive_anon 17\nactive_anon 18\ninactive_file 19\n"
           "active_file 20\nunevictable 21\nslab 94\npgfault 22\npgmajfault 23\n");
  put_file(dir / "c/memory.max", "30\n");
  put_file(dir / "c/memory.current", "31\n");
  put_file(dir / "c/memory.peak", "32\n");
  put_file(dir / "c/memory.swap.max", "33\n");
  put_file(dir / "c/memory.swap.current", "34\n");
  put_file(dir / "c/memory.swap.peak", "35\n");
  put_file(dir / "c/memory.events", "low 95\nhigh 96\nmax 97\noom 98\noom_kill 36\noom_group_kill 99\n");
  put_file(dir / "c/hugetlb.2MB.current", "37\n");
  put_file(dir / "c/hugetlb.2MB.max", "38\n");
  CHECK(text_of(Cgroups(dir.path(), Version::v2)) ==
        R"({"hugetlb":[{"usage":37,"max":38,"pagesize":"2MB"}],"pids":{"current":1,"limit":2},)"
        R"("cpu":{"usage":{"total":3000,"kernel":5000,"user":4000},)"
        R"("throttling":{"periods":6,"throttled_periods":7,"throttled_time":8000}},)"
        R"("memory":{"cache":11,"rss":10,"mapped_file":14,"dirty":15,"writeback":16,"pg_fault":22,"pg_maj_fault":23,)"
        R"("inactive_anon":17,"active_anon":18,"inactive_file":19,"active_file":20,"unevictable":21,)"
        R"("hierarchical_memory_limit":30,"hierarchical_swap_limit":33,"usage":{"limit":30,"usage":31,"max":32},)"
        R"("swap":{"limit":33,"usage":34,"max":35},"kernel":{"usage":12},"kernel_tcp":{"usage":13}},"rdma":{},)"
        R"("memory_oom_control":{"oom_kill":36}})");
}

TEST_CASE("metrics: a version 1 cgroup gives the document that hosts are used to") {
  const TempDir dir;
  put_v1(dir);
  const auto cgroups = Cgroups::find(dir.path());
  REQUIRE(cgroups);
  CHECK(text_of(*cgroups) == kV1Answer);
}

TEST_CASE("metrics: a version 2 cgroup gives the same shape, and no limit is the largest number") {
  const TempDir dir;
  put_v2(dir);
  CHECK(text_of(Cgroups(dir.path(), Version::v2)) == kV2Answer);
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
