#pragma once

#include <string_view>

#include "runtime/child.h"
#include "stdio/io/clock.h"

namespace gcs::runtime {

/// Whether a process has executed a program since it was forked, or has ended, by its /proc/PID/stat (proc(5): the bit
/// PF_FORKNOEXEC of the field `flags`).
bool has_executed(std::string_view stat);

/// Waits until the process that an OCI runtime has started is the container's program, and no longer the runtime's own
/// code before it: a signal would meet that, and be lost or end it in its own way. Bounded: at most a second.
io::Task<> program_begun(io::Executor executor, io::Clock& clock, pid_t pid);

}  // namespace gcs::runtime
