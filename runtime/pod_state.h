#pragma once

#include <string_view>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// The life of a pod, from its sandbox's Create to the removal of all that it had.
///
///     creating ──made──▶ ready ──retire──▶ draining ──last_left──▶ removing ──removed──▶ gone
///        │                                                           ▲
///        └──────────────────────── failed ───────────────────────────┘
///
/// Workloads join while it is `ready`. A sandbox that is deleted before its workloads leaves the pod `draining`: nobody
/// joins any more, and its files and its cgroup go with the last container, in whichever order a host deletes them.
enum class PodState { creating, ready, draining, removing, gone };

/// `join` is a request, and may be refused; the others report what has happened.
enum class PodEvent { join, made, failed, retire, last_left, removed };

std::string_view to_string(PodState state);

/// The state after `event`. A refused `join` is `wrong_state`, or `not_found` once the sandbox is gone; a report that
/// cannot be true is `internal`.
Result<PodState> next_state(PodState state, PodEvent event);

}  // namespace gcs::runtime
