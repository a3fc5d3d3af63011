#pragma once

#include <string_view>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// The life of a container.
///
///     creating ──create_done──▶ created ──start──▶ starting ──start_done──▶ running
///        │                       │ │ ▲ ▲              │                       │
///   create_failed         delete_│ │ │ └─start_failed─┤                       │
///        │                       │ └─│───────────init_exited (from any of the three)──▶ stopped
///        │                       ▼   │delete_failed                                      │  ▲
///        │                     discarding ──init_exited──▶ deleting ◀──────delete_───────┘  │
///        ▼                       │                          │   └───────delete_failed───────┘
///     deleted ◀─────────────delete_done─────────────────────┘
///
/// `starting` keeps a second start out while the runtime works. What is deleted before its start is `discarding`, so
/// that a deletion which fails leaves it startable. News that comes late (a start that is answered after the init
/// process has ended) changes nothing. An outage of the bridge is no event here.
enum class ContainerState { creating, created, starting, running, stopped, discarding, deleting, deleted };

/// The first ones are requests, and may be refused; the others report what has happened.
enum class ContainerEvent {
  start,
  exec,
  shutdown,
  delete_,
  create_done,
  create_failed,
  start_done,
  start_failed,
  init_exited,
  delete_done,
  delete_failed,
};

std::string_view to_string(ContainerState state);

/// The state after `event`, or why it may not happen: `already_stopped` for what needs a live container,
/// `container_not_found` after the deletion, `wrong_state` else. A report that cannot be true is `internal`.
Result<ContainerState> next_state(ContainerState state, ContainerEvent event);

/// How hosts are told that a container has ended.
enum class ExitType { unexpected, graceful, forced };

/// What a host has asked for so far, after one more signal was delivered to init: SIGTERM asks for a graceful end,
/// SIGKILL (or 0, which hosts send for it) forces it, and no later signal takes that back.
ExitType asked_after(ExitType asked, int signal);

/// How to report an end: as it was asked for, unless the process died of another signal than the one it was sent, which
/// is a crash or an OOM kill. `exit_signal` is 0 for a process that ended by itself.
ExitType exit_type(ExitType asked, int exit_signal);

}  // namespace gcs::runtime
