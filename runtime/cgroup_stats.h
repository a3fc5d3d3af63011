#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/cgroup.h"

namespace gcs::runtime {

/// What a cgroup has used, in the shape of version 1 that hosts read (behaviour.md 12). A part is absent where the
/// kernel has no such controller, a number is 0 where it does not tell. Version 2's "max" is the largest number.
struct CgroupStats {
  struct Hugetlb {
    std::string page_size;  ///< "2MB"
    uint64_t usage = 0, max = 0, failcnt = 0;
  };
  struct Pids {
    uint64_t current = 0, limit = 0;
  };
  struct Cpu {
    uint64_t total = 0, kernel = 0, user = 0;  ///< nanoseconds
    std::vector<uint64_t> per_cpu;
    uint64_t periods = 0, throttled_periods = 0, throttled_time = 0;
  };
  struct MemoryEntry {
    uint64_t limit = 0, usage = 0, max = 0, failcnt = 0;
  };
  /// The lines of memory.stat that hosts know.
  struct MemoryStat {
    uint64_t cache = 0, rss = 0, rss_huge = 0, mapped_file = 0, dirty = 0, writeback = 0;
    uint64_t pg_pg_in = 0, pg_pg_out = 0, pg_fault = 0, pg_maj_fault = 0;
    uint64_t inactive_anon = 0, active_anon = 0, inactive_file = 0, active_file = 0, unevictable = 0;
  };
  struct Memory {
    MemoryStat own;
    uint64_t hierarchical_memory_limit = 0, hierarchical_swap_limit = 0;
    MemoryStat total;  ///< with the cgroups in it
    std::optional<MemoryEntry> usage, swap, kernel, kernel_tcp;
  };
  struct OomControl {
    uint64_t oom_kill_disable = 0, under_oom = 0, oom_kill = 0;
  };

  std::vector<Hugetlb> hugetlb;
  std::optional<Pids> pids;
  std::optional<Cpu> cpu;
  std::optional<Memory> memory;
  std::optional<OomControl> oom;
  bool has_blkio = false;  ///< hosts get these two empty, but they get them
  bool has_rdma = false;
};

/// `not_found` without the cgroup. Files that are missing, or hold what we do not know, leave their numbers 0.
Result<CgroupStats> read_cgroup_stats(const Cgroups& cgroups, const std::string& path);

}  // namespace gcs::runtime
