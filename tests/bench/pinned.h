#pragma once

#include <sched.h>

#include <utility>

#include "tests/support/agent.h"

namespace gcs::bench {

/// While it lives, this process stays on the first core that it may use; the agent stays to its end on the one of that
/// index.
class Pinned {
 public:
  static Result<Pinned> pin(const testing::Agent& agent, int agent_core);
  Pinned(Pinned&& other) noexcept : before_(other.before_), active_(std::exchange(other.active_, false)) {}
  Pinned& operator=(Pinned&&) = delete;
  ~Pinned();

 private:
  Pinned() = default;

  cpu_set_t before_{};
  bool active_ = false;
};

}  // namespace gcs::bench
