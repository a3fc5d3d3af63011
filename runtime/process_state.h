#pragma once

#include <string_view>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// The life of a process that hosts know by its pid.
///
///     running ──exit_seen──▶ draining ──drained──▶ exited ──forget──▶ forgotten
///
/// From `draining` on the pid is the kernel's again and may be somebody else's, so nothing is sent to it any more. The
/// exit code is told in `exited` only, when the output is with the host, and kept until `forgotten`.
enum class ProcessState { running, draining, exited, forgotten };

/// The first ones are requests, and may be refused; the others report what has happened.
enum class ProcessEvent { signal, resize, wait, exit_seen, drained, forget };

/// The state after `event`, or why it may not happen: `process_not_found` for a process that is gone. A report that
/// cannot be true is `internal`.
Result<ProcessState> next_state(ProcessState state, ProcessEvent event);

}  // namespace gcs::runtime
