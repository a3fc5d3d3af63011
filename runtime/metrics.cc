#include "runtime/metrics.h"

#include <nlohmann/json.hpp>

namespace gcs::runtime {
namespace {

using Json = nlohmann::json;

void put(Json& object, const std::string& key, uint64_t value) {
  if (value != 0) object[key] = value;
}

Json hugetlb_json(const std::vector<CgroupStats::Hugetlb>& all) {
  Json list = Json::array();
  for (const CgroupStats::Hugetlb& one : all) {
    Json entry = Json::object();
    put(entry, "usage", one.usage);
    put(entry, "max", one.max);
    put(entry, "failcnt", one.failcnt);
    entry["pagesize"] = one.page_size;
    list.push_back(std::move(entry));
  }
  return list;
}

Json pids_json(const CgroupStats::Pids& pids) {
  Json out = Json::object();
  put(out, "current", pids.current);
  put(out, "limit", pids.limit);
  return out;
}

Json cpu_json(const CgroupStats::Cpu& cpu) {
  Json usage = Json::object();
  put(usage, "total", cpu.total);
  put(usage, "kernel", cpu.kernel);
  put(usage, "user", cpu.user);
  if (!cpu.per_cpu.empty()) usage["per_cpu"] = cpu.per_cpu;
  Json throttling = Json::object();
  put(throttling, "periods", cpu.periods);
  put(throttling, "throttled_periods", cpu.throttled_periods);
  put(throttling, "throttled_time", cpu.throttled_time);
  Json out = Json::object();
  out["usage"] = std::move(usage);
  out["throttling"] = std::move(throttling);
  return out;
}

void put_stat(Json& out, const CgroupStats::MemoryStat& stat, const std::string& prefix) {
  put(out, prefix + "cache", stat.cache);
  put(out, prefix + "rss", stat.rss);
  put(out, prefix + "rss_huge", stat.rss_huge);
  put(out, prefix + "mapped_file", stat.mapped_file);
  put(out, prefix + "dirty", stat.dirty);
  put(out, prefix + "writeback", stat.writeback);
  put(out, prefix + "pg_pg_in", stat.pg_pg_in);
  put(out, prefix + "pg_pg_out", stat.pg_pg_out);
  put(out, prefix + "pg_fault", stat.pg_fault);
  put(out, prefix + "pg_maj_fault", stat.pg_maj_fault);
  put(out, prefix + "inactive_anon", stat.inactive_anon);
  put(out, prefix + "active_anon", stat.active_anon);
  put(out, prefix + "inactive_file", stat.inactive_file);
  put(out, prefix + "active_file", stat.active_file);
  put(out, prefix + "unevictable", stat.unevictable);
}

void put_entry(Json& out, const char* key, const std::optional<CgroupStats::MemoryEntry>& entry) {
  if (!entry) return;
  Json object = Json::object();
  put(object, "limit", entry->limit);
  put(object, "usage", entry->usage);
  put(object, "max", entry->max);
  put(object, "failcnt", entry->failcnt);
  out[key] = std::move(object);
}

Json memory_json(const CgroupStats::Memory& memory) {
  Json out = Json::object();
  put_stat(out, memory.own, "");
  put(out, "hierarchical_memory_limit", memory.hierarchical_memory_limit);
  put(out, "hierarchical_swap_limit", memory.hierarchical_swap_limit);
  put_stat(out, memory.total, "total_");
  put_entry(out, "usage", memory.usage);
  put_entry(out, "swap", memory.swap);
  put_entry(out, "kernel", memory.kernel);
  put_entry(out, "kernel_tcp", memory.kernel_tcp);
  return out;
}

Json oom_json(const CgroupStats::OomControl& oom) {
  Json out = Json::object();
  put(out, "oom_kill_disable", oom.oom_kill_disable);
  put(out, "under_oom", oom.under_oom);
  put(out, "oom_kill", oom.oom_kill);
  return out;
}

}  // namespace

Json metrics_json(const CgroupStats& stats) {
  Json out = Json::object();
  if (!stats.hugetlb.empty()) out["hugetlb"] = hugetlb_json(stats.hugetlb);
  if (stats.pids) out["pids"] = pids_json(*stats.pids);
  if (stats.cpu) out["cpu"] = cpu_json(*stats.cpu);
  if (stats.memory) out["memory"] = memory_json(*stats.memory);
  if (stats.has_blkio) out["blkio"] = Json::object();
  if (stats.has_rdma) out["rdma"] = Json::object();
  if (stats.oom) out["memory_oom_control"] = oom_json(*stats.oom);
  return out;
}

}  // namespace gcs::runtime
