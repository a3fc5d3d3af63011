#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::migration {

/// What a child finds as its descriptors: nothing to read on stdin, nobody who listens on stdout, `words` as stderr,
/// `extra` as `extra_number`; all others are closed.
struct ChildEnds {
  int words = -1;
  int extra = -1;
  int extra_number = 3;
};

/// Starts a program that does not outlive us: it is killed when the thread that has started it ends, also where that is
/// by SIGKILL. Its signals are as at a login. Errors: what keeps the program from being executed.
Result<pid_t> start_bound(std::vector<std::string>& argv, ChildEnds ends);

}  // namespace gcs::migration
