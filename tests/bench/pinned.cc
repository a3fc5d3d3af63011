#include "tests/bench/pinned.h"

namespace gcs::bench {
namespace {

/// The index-th of these cores alone; none where there are not so many.
cpu_set_t only(const cpu_set_t& allowed, int index) {
  cpu_set_t one;
  CPU_ZERO(&one);
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (!CPU_ISSET(core, &allowed) || index-- != 0) continue;
    CPU_SET(core, &one);
  }
  return one;
}

}  // namespace

Result<Pinned> Pinned::pin(const testing::Agent& agent, int agent_core) {
  Pinned pinned;
  if (::sched_getaffinity(0, sizeof pinned.before_, &pinned.before_) != 0) return sys_error("sched_getaffinity");
  const cpu_set_t first = only(pinned.before_, 0);
  const cpu_set_t other = only(pinned.before_, agent_core);
  if (::sched_setaffinity(agent.pid(), sizeof other, &other) != 0) return sys_error("agent on another core");
  if (::sched_setaffinity(0, sizeof first, &first) != 0) return sys_error("host on the first core");
  pinned.active_ = true;
  return pinned;
}

Pinned::~Pinned() {
  if (active_) ::sched_setaffinity(0, sizeof before_, &before_);
}

}  // namespace gcs::bench
