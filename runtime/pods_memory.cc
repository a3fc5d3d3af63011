#include "runtime/pods_memory.h"

#include <unistd.h>

#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

constexpr const char* kPods = "/pods";
constexpr std::chrono::seconds kInterval{60};

/// The kernel keeps limits in pages.
uint64_t in_pages(uint64_t bytes) {
  static const auto page = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes / page;
}

Result<> apply(const Cgroups& cgroups, uint64_t limit) {
  const auto present = cgroups.memory_limit(kPods);
  if (present && in_pages(*present) == in_pages(limit)) return {};
  const auto set = cgroups.set_memory_limit(kPods, limit);
  if (!set) return set.error().within("limit the memory of pods");
  log::info("memory limit of pods set", {{"bytes", limit}, {"before", present ? *present : 0}});
  return {};
}

}  // namespace

PodsMemory::PodsMemory(const Cgroups& cgroups, uint64_t reserve, io::Offload& offload, io::Clock& clock,
                       std::function<uint64_t()> total)
    : cgroups_(cgroups), reserve_(reserve), offload_(offload), clock_(clock), total_(std::move(total)) {}

io::Task<Result<>> PodsMemory::refresh() {
  const auto limit = pods_memory_limit(total_(), reserve_);
  if (!limit) co_return limit.error().within("-root-mem-reserve-bytes");
  std::function<Result<>()> job = [cgroups = cgroups_, bytes = *limit] { return apply(cgroups, bytes); };
  co_return co_await offload_.call<void>(std::move(job));
}

io::Task<> PodsMemory::run(io::Executor executor) {
  for (;;) {
    const auto done = co_await refresh();
    if (!done) log::warn("memory limit of pods not refreshed", {{"error", done.error().message()}});
    co_await io::sleep_until(executor, clock_, clock_.now() + kInterval);
  }
}

}  // namespace gcs::runtime
