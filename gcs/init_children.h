#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "gcs/init_options.h"
#include "stdio/io/result.h"

namespace gcs {

/// Where programs without a path are looked for: PID 1's own PATH, and that of all it starts.
inline constexpr const char* kProgramPath = "/sbin:/usr/sbin:/bin:/usr/bin";

/// True when there is such a program to run, by its path or, without a slash, in kProgramPath.
bool is_program(const std::string& name);

/// Starts a program in a session of its own, with all signals at their defaults and none blocked. PATH is all of its
/// environment, whatever the kernel's command line put into PID 1's. A file that cannot be run ends as 127.
Result<pid_t> start_program(const Command& command);

/// The same with a terminal (a device's path), which is its stdin, stdout, stderr and its controlling terminal, so that
/// Ctrl-C reaches it; a signal that ends it is then told as a shell does. Its environment is PID 1's.
Result<pid_t> start_on_terminal(const Command& command, const std::string& terminal);

struct Ended {
  pid_t pid;
  int status;  ///< as waitpid(2) gives it
};

/// Collects every child, adopted orphans too, until one of `watched` has ended: that one. `not_found` when there are no
/// children at all.
Result<Ended> reap_until(std::span<const pid_t> watched);

/// An exit code as a shell tells it: 128 and the signal's number for a killed process.
int exit_code(int status);

/// "exit 3" or "signal 9".
std::string describe_status(int status);

}  // namespace gcs
