#include "runtime/cgroup_stats.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <memory>

#include "stdio/io/fd.h"

namespace gcs::runtime {
namespace {

using Keyed = std::map<std::string, uint64_t, std::less<>>;

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();
constexpr uint64_t kNanosPerMicro = 1000;

uint64_t number(std::string_view text) {
  while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
  if (text == "max") return kNoLimit;
  uint64_t value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  return parsed.ec == std::errc() ? value : 0;
}

std::string_view take(std::string_view& text, char separator) {
  const size_t end = std::min(text.find(separator), text.size());
  const std::string_view part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

/// One directory of a cgroup, file by file.
class Files {
 public:
  explicit Files(std::string dir) : dir_(std::move(dir)) {}

  bool has(const std::string& name) const { return !dir_.empty() && ::access((dir_ + "/" + name).c_str(), R_OK) == 0; }

  std::string text(const std::string& name) const {
    if (dir_.empty()) return {};
    auto read = io::read_file(dir_ + "/" + name);
    return read ? std::move(*read) : std::string();
  }

  uint64_t value(const std::string& name) const { return number(text(name)); }

  /// Lines of "key value".
  Keyed keyed(const std::string& name) const {
    const std::string all = text(name);
    Keyed values;
    for (std::string_view rest = all; !rest.empty();) {
      std::string_view line = take(rest, '\n');
      const std::string_view key = take(line, ' ');
      values.emplace(key, number(line));
    }
    return values;
  }

  /// The sizes of huge pages for which there is a file "hugetlb.<size>.<suffix>".
  std::vector<std::string> page_sizes(std::string_view suffix) const {
    constexpr std::string_view kPrefix = "hugetlb.";
    std::vector<std::string> sizes;
    if (dir_.empty()) return sizes;
    const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> entries(::opendir(dir_.c_str()));
    while (const dirent* entry = entries == nullptr ? nullptr : ::readdir(entries.get())) {
      const std::string_view name = entry->d_name;
      if (!name.starts_with(kPrefix) || !name.ends_with(suffix)) continue;
      if (name.size() <= kPrefix.size() + suffix.size()) continue;
      const std::string_view size = name.substr(kPrefix.size(), name.size() - kPrefix.size() - suffix.size());
      if (size.find('.') == std::string_view::npos) sizes.emplace_back(size);  // not "2MB.rsvd"
    }
    std::sort(sizes.begin(), sizes.end());
    return sizes;
  }

 private:
  std::string dir_;
};

uint64_t get(const Keyed& values, std::string_view key) {
  const auto found = values.find(key);
  return found == values.end() ? 0 : found->second;
}

CgroupStats::MemoryStat memory_stat_v1(const Keyed& stat, const std::string& prefix) {
  CgroupStats::MemoryStat out;
  out.cache = get(stat, prefix + "cache");
  out.rss = get(stat, prefix + "rss");
  out.rss_huge = get(stat, prefix + "rss_huge");
  out.mapped_file = get(stat, prefix + "mapped_file");
  out.dirty = get(stat, prefix + "dirty");
  out.writeback = get(stat, prefix + "writeback");
  out.pg_pg_in = get(stat, prefix + "pgpgin");
  out.pg_pg_out = get(stat, prefix + "pgpgout");
  out.pg_fault = get(stat, prefix + "pgfault");
  out.pg_maj_fault = get(stat, prefix + "pgmajfault");
  out.inactive_anon = get(stat, prefix + "inactive_anon");
  out.active_anon = get(stat, prefix + "active_anon");
  out.inactive_file = get(stat, prefix + "inactive_file");
  out.active_file = get(stat, prefix + "active_file");
  out.unevictable = get(stat, prefix + "unevictable");
  return out;
}

std::optional<CgroupStats::MemoryEntry> memory_entry_v1(const Files& files, const std::string& prefix) {
  if (!files.has(prefix + "usage_in_bytes")) return std::nullopt;
  CgroupStats::MemoryEntry entry;
  entry.limit = files.value(prefix + "limit_in_bytes");
  entry.usage = files.value(prefix + "usage_in_bytes");
  entry.max = files.value(prefix + "max_usage_in_bytes");
  entry.failcnt = files.value(prefix + "failcnt");
  return entry;
}

void read_memory_v1(const Files& files, CgroupStats& stats) {
  if (!files.has("memory.stat")) return;
  const Keyed stat = files.keyed("memory.stat");
  CgroupStats::Memory memory;
  memory.own = memory_stat_v1(stat, "");
  memory.total = memory_stat_v1(stat, "total_");
  memory.hierarchical_memory_limit = get(stat, "hierarchical_memory_limit");
  memory.hierarchical_swap_limit = get(stat, "hierarchical_memsw_limit");
  memory.usage = memory_entry_v1(files, "memory.");
  memory.swap = memory_entry_v1(files, "memory.memsw.");
  memory.kernel = memory_entry_v1(files, "memory.kmem.");
  memory.kernel_tcp = memory_entry_v1(files, "memory.kmem.tcp.");
  stats.memory = memory;
  if (!files.has("memory.oom_control")) return;
  const Keyed oom = files.keyed("memory.oom_control");
  stats.oom = {get(oom, "oom_kill_disable"), get(oom, "under_oom"), get(oom, "oom_kill")};
}

void read_cpu_v1(const Files& accounting, const Files& cpu, CgroupStats& stats) {
  if (!accounting.has("cpuacct.usage") && !cpu.has("cpu.stat")) return;
  CgroupStats::Cpu out;
  out.total = accounting.value("cpuacct.usage");
  const Keyed ticks = accounting.keyed("cpuacct.stat");
  const auto per_tick = 1'000'000'000ULL / static_cast<uint64_t>(std::max(1L, ::sysconf(_SC_CLK_TCK)));
  out.kernel = get(ticks, "system") * per_tick;
  out.user = get(ticks, "user") * per_tick;
  const std::string per_cpu = accounting.text("cpuacct.usage_percpu");
  for (std::string_view rest = per_cpu; !rest.empty();) {
    const std::string_view one = take(rest, ' ');
    if (!one.empty() && one != "\n") out.per_cpu.push_back(number(one));
  }
  const Keyed throttling = cpu.keyed("cpu.stat");
  out.periods = get(throttling, "nr_periods");
  out.throttled_periods = get(throttling, "nr_throttled");
  out.throttled_time = get(throttling, "throttled_time");
  stats.cpu = std::move(out);
}

CgroupStats read_v1(const Cgroups& cgroups, const std::string& path) {
  CgroupStats stats;
  const Files pids(cgroups.directory("pids", path));
  if (pids.has("pids.current")) {
    // No limit is 0 here, as hosts know it from version 1.
    const uint64_t limit = pids.value("pids.max");
    stats.pids = {pids.value("pids.current"), limit == kNoLimit ? 0 : limit};
  }
  read_cpu_v1(Files(cgroups.directory("cpuacct", path)), Files(cgroups.directory("cpu", path)), stats);
  read_memory_v1(Files(cgroups.directory("memory", path)), stats);
  const Files huge(cgroups.directory("hugetlb", path));
  for (const std::string& size : huge.page_sizes(".usage_in_bytes")) {
    const std::string file = "hugetlb." + size;
    stats.hugetlb.push_back({size, huge.value(file + ".usage_in_bytes"), huge.value(file + ".max_usage_in_bytes"),
                             huge.value(file + ".failcnt")});
  }
  stats.has_blkio = !cgroups.directory("blkio", path).empty();
  stats.has_rdma = !cgroups.directory("rdma", path).empty();
  return stats;
}

void read_memory_v2(const Files& files, CgroupStats& stats) {
  if (!files.has("memory.stat")) return;
  const Keyed stat = files.keyed("memory.stat");
  CgroupStats::Memory memory;
  memory.own.cache = get(stat, "file");
  memory.own.rss = get(stat, "anon");
  memory.own.mapped_file = get(stat, "file_mapped");
  memory.own.dirty = get(stat, "file_dirty");
  memory.own.writeback = get(stat, "file_writeback");
  memory.own.pg_fault = get(stat, "pgfault");
  memory.own.pg_maj_fault = get(stat, "pgmajfault");
  memory.own.inactive_anon = get(stat, "inactive_anon");
  memory.own.active_anon = get(stat, "active_anon");
  memory.own.inactive_file = get(stat, "inactive_file");
  memory.own.active_file = get(stat, "active_file");
  memory.own.unevictable = get(stat, "unevictable");
  memory.usage = {files.value("memory.max"), files.value("memory.current"), files.value("memory.peak"), 0};
  memory.swap = {files.value("memory.swap.max"), files.value("memory.swap.current"), files.value("memory.swap.peak"),
                 0};
  memory.kernel = {0, get(stat, "kernel_stack"), 0, 0};
  memory.kernel_tcp = {0, get(stat, "sock"), 0, 0};
  memory.hierarchical_memory_limit = memory.usage->limit;
  memory.hierarchical_swap_limit = memory.swap->limit;
  stats.memory = memory;
  stats.oom = {0, 0, get(files.keyed("memory.events"), "oom_kill")};
}

CgroupStats read_v2(const std::string& dir) {
  const Files files(dir);
  CgroupStats stats;
  if (files.has("pids.current")) stats.pids = {files.value("pids.current"), files.value("pids.max")};
  const Keyed cpu = files.keyed("cpu.stat");  // there for every cgroup, its throttling lines with the controller
  CgroupStats::Cpu out;
  out.total = get(cpu, "usage_usec") * kNanosPerMicro;
  out.kernel = get(cpu, "system_usec") * kNanosPerMicro;
  out.user = get(cpu, "user_usec") * kNanosPerMicro;
  out.periods = get(cpu, "nr_periods");
  out.throttled_periods = get(cpu, "nr_throttled");
  out.throttled_time = get(cpu, "throttled_usec") * kNanosPerMicro;
  stats.cpu = std::move(out);
  read_memory_v2(files, stats);
  for (const std::string& size : files.page_sizes(".current")) {
    const std::string file = "hugetlb." + size;
    stats.hugetlb.push_back({size, files.value(file + ".current"), files.value(file + ".max"), 0});
  }
  stats.has_rdma = true;
  return stats;
}

}  // namespace

Result<CgroupStats> read_cgroup_stats(const Cgroups& cgroups, const std::string& path) {
  if (!cgroups.exists(path)) return Error(Errc::not_found, "there is no cgroup " + path);
  if (cgroups.version() == Cgroups::Version::v2) return read_v2(cgroups.directory("memory", path));
  return read_v1(cgroups, path);
}

}  // namespace gcs::runtime
