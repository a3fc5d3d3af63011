#include "runtime/memory_watch.h"

#include "runtime/cgroup_stats.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

constexpr std::chrono::seconds kPause{1};        // a cgroup at its limit has thousands a second
constexpr std::chrono::seconds kRearmPause{60};  // how often a crossed threshold of version 2 is looked at

using Entry = CgroupStats::MemoryEntry;

/// The words and fields of the Go GCS (behaviour.md 3), but for the time of its start, and three more: whose cgroup it
/// is, what the event was, and the kills.
io::Task<> report(MemoryWatchContext context, const WatchedMemory& watched, uint64_t count) {
  std::function<Result<CgroupStats>()> read = [cgroups = context.cgroups, path = watched.cgroup] {
    return read_cgroup_stats(cgroups, path);
  };
  const auto stats = co_await context.offload.call<CgroupStats>(std::move(read));
  const auto memory = stats && stats->memory ? *stats->memory : CgroupStats::Memory();
  const Entry usage = memory.usage.value_or(Entry());
  const Entry swap = memory.swap.value_or(Entry());
  const Entry kernel = memory.kernel.value_or(Entry());
  const uint64_t oom_kill = stats && stats->oom ? stats->oom->oom_kill : 0;
  const uint64_t threshold = watched.threshold.value_or(usage.limit);
  const char* version = context.cgroups.version() == Cgroups::Version::v1 ? "v1" : "v2";
  log::warn("memory usage for cgroup exceeded threshold", {{"cgroup", watched.cgroup},
                                                           {"cid", watched.container_id},
                                                           {"event", watched.threshold ? "threshold" : "oom"},
                                                           {"thresholdBytes", threshold},
                                                           {"count", count},
                                                           {"memoryUsage", usage.usage},
                                                           {"memoryUsageMax", usage.max},
                                                           {"memoryUsageLimit", usage.limit},
                                                           {"swapUsage", swap.usage},
                                                           {"swapUsageMax", swap.max},
                                                           {"swapUsageLimit", swap.limit},
                                                           {"kernelUsage", kernel.usage},
                                                           {"kernelUsageMax", kernel.max},
                                                           {"kernelUsageLimit", kernel.limit},
                                                           {"oomKill", oom_kill},
                                                           {"cgroup_version", version}});
}

Result<MemoryEvents> open_events(const Cgroups& cgroups, const WatchedMemory& watched) {
  if (watched.threshold) return MemoryEvents::above(cgroups, watched.cgroup, *watched.threshold);
  return MemoryEvents::oom(cgroups, watched.cgroup);
}

}  // namespace

io::Task<std::optional<MemoryEvents>> open_memory_watch(MemoryWatchContext context, WatchedMemory watched) {
  std::function<Result<MemoryEvents>()> open = [cgroups = context.cgroups, watched] {
    return open_events(cgroups, watched);
  };
  auto events = co_await context.offload.call<MemoryEvents>(std::move(open));
  if (events) co_return std::move(*events);
  log::debug("memory is not watched", {{"cgroup", watched.cgroup}, {"error", events.error().message()}});
  co_return std::nullopt;
}

io::Task<> report_memory(MemoryWatchContext context, WatchedMemory watched, MemoryEvents events) {
  const auto executor = context.engine.executor();
  uint64_t count = 0;
  for (;;) {
    const auto more = co_await events.next(context.engine, context.offload);
    if (!more) co_return;
    count += *more;
    if (*more > 0) co_await report(context, watched, count);
    co_await io::sleep_until(executor, context.clock, context.clock.now() + kPause);
    while (events.is_spent()) {
      co_await io::sleep_until(executor, context.clock, context.clock.now() + kRearmPause);
      discard(co_await events.rearm(context.offload), "it is tried again");
    }
  }
}

io::Task<> watch_memory(MemoryWatchContext context, WatchedMemory watched) {
  auto events = co_await open_memory_watch(context, watched);
  if (events) co_await report_memory(context, std::move(watched), std::move(*events));
}

}  // namespace gcs::runtime
