#include "runtime/metrics.h"

#include <string_view>

namespace gcs::runtime {
namespace {

/// An object whose members stay in the order in which they came.
class Object {
 public:
  void raw(std::string_view name, std::string_view json) {
    if (!members_.empty()) members_ += ',';
    members_.append("\"").append(name).append("\":").append(json);
  }
  void put(std::string_view name, uint64_t value) {
    if (value != 0) raw(name, std::to_string(value));
  }
  std::string text() const { return "{" + members_ + "}"; }

 private:
  std::string members_;
};

/// A list of what is JSON already.
std::string list_of(const std::vector<std::string>& entries) {
  std::string list;
  for (const std::string& entry : entries) list.append(list.empty() ? "" : ",").append(entry);
  return "[" + list + "]";
}

std::string hugetlb_text(const std::vector<CgroupStats::Hugetlb>& all) {
  std::vector<std::string> list;
  for (const CgroupStats::Hugetlb& one : all) {
    Object entry;
    entry.put("usage", one.usage);
    entry.put("max", one.max);
    entry.put("failcnt", one.failcnt);
    entry.raw("pagesize", "\"" + one.page_size + "\"");  // of a file's name: "2MB"
    list.push_back(entry.text());
  }
  return list_of(list);
}

std::string pids_text(const CgroupStats::Pids& pids) {
  Object out;
  out.put("current", pids.current);
  out.put("limit", pids.limit);
  return out.text();
}

std::string cpu_text(const CgroupStats::Cpu& cpu) {
  Object usage;
  usage.put("total", cpu.total);
  usage.put("kernel", cpu.kernel);
  usage.put("user", cpu.user);
  std::vector<std::string> per_cpu;
  for (const uint64_t one : cpu.per_cpu) per_cpu.push_back(std::to_string(one));
  if (!per_cpu.empty()) usage.raw("per_cpu", list_of(per_cpu));
  Object throttling;
  throttling.put("periods", cpu.periods);
  throttling.put("throttled_periods", cpu.throttled_periods);
  throttling.put("throttled_time", cpu.throttled_time);
  Object out;
  out.raw("usage", usage.text());
  out.raw("throttling", throttling.text());
  return out.text();
}

void put_stat(Object& out, const CgroupStats::MemoryStat& stat, const std::string& prefix) {
  out.put(prefix + "cache", stat.cache);
  out.put(prefix + "rss", stat.rss);
  out.put(prefix + "rss_huge", stat.rss_huge);
  out.put(prefix + "mapped_file", stat.mapped_file);
  out.put(prefix + "dirty", stat.dirty);
  out.put(prefix + "writeback", stat.writeback);
  out.put(prefix + "pg_pg_in", stat.pg_pg_in);
  out.put(prefix + "pg_pg_out", stat.pg_pg_out);
  out.put(prefix + "pg_fault", stat.pg_fault);
  out.put(prefix + "pg_maj_fault", stat.pg_maj_fault);
  out.put(prefix + "inactive_anon", stat.inactive_anon);
  out.put(prefix + "active_anon", stat.active_anon);
  out.put(prefix + "inactive_file", stat.inactive_file);
  out.put(prefix + "active_file", stat.active_file);
  out.put(prefix + "unevictable", stat.unevictable);
}

void put_entry(Object& out, const char* key, const std::optional<CgroupStats::MemoryEntry>& entry) {
  if (!entry) return;
  Object object;
  object.put("limit", entry->limit);
  object.put("usage", entry->usage);
  object.put("max", entry->max);
  object.put("failcnt", entry->failcnt);
  out.raw(key, object.text());
}

std::string memory_text(const CgroupStats::Memory& memory) {
  Object out;
  put_stat(out, memory.own, "");
  out.put("hierarchical_memory_limit", memory.hierarchical_memory_limit);
  out.put("hierarchical_swap_limit", memory.hierarchical_swap_limit);
  put_stat(out, memory.total, "total_");
  put_entry(out, "usage", memory.usage);
  put_entry(out, "swap", memory.swap);
  put_entry(out, "kernel", memory.kernel);
  put_entry(out, "kernel_tcp", memory.kernel_tcp);
  return out.text();
}

std::string oom_text(const CgroupStats::OomControl& oom) {
  Object out;
  out.put("oom_kill_disable", oom.oom_kill_disable);
  out.put("under_oom", oom.under_oom);
  out.put("oom_kill", oom.oom_kill);
  return out.text();
}

}  // namespace

std::string metrics_text(const CgroupStats& stats) {
  Object out;
  if (!stats.hugetlb.empty()) out.raw("hugetlb", hugetlb_text(stats.hugetlb));
  if (stats.pids) out.raw("pids", pids_text(*stats.pids));
  if (stats.cpu) out.raw("cpu", cpu_text(*stats.cpu));
  if (stats.memory) out.raw("memory", memory_text(*stats.memory));
  if (stats.has_blkio) out.raw("blkio", "{}");
  if (stats.has_rdma) out.raw("rdma", "{}");
  if (stats.oom) out.raw("memory_oom_control", oom_text(*stats.oom));
  return out.text();
}

}  // namespace gcs::runtime
