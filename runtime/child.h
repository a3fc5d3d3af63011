#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// What to execute, as execve(2) wants it. Descriptors are the caller's and stay open; -1 is /dev/null.
struct Command {
  std::vector<std::string> argv;
  std::vector<std::string> env;  ///< "KEY=value"; the child gets these and no others
  std::string cwd;               ///< empty: ours
  int in = -1;
  int out = -1;
  int err = -1;

  /// The child leads a new session whose controlling terminal is descriptor `in`.
  bool own_terminal = false;
};

/// Starts a child with a clean signal mask, default signal handlers, RLIMIT_NOFILE as we inherited it and no descriptor
/// but 0, 1 and 2. A name without a slash is looked up on the PATH in `env`, else on ours. Errors are execve's own, or
/// those of the working directory: the child never runs half-prepared. Blocks until the exec, some 100 µs.
Result<pid_t> spawn_child(const Command& command);

/// Raises our RLIMIT_NOFILE to its hard limit, for ten thousand relays must fit; children get the old one back.
void raise_descriptor_limit();

}  // namespace gcs::runtime
