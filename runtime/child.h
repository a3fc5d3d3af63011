#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "stdio/io/fd.h"
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

  int netns = -1;    ///< the network namespace that it runs in; -1: ours
  int program = -1;  ///< executed instead of what argv[0] names, unless that is forbidden; no script; -1: argv[0]

  /// The child leads a new session whose controlling terminal is descriptor `in`.
  bool own_terminal = false;
};

/// A child on its way from the clone to the exec: with a clean signal mask, default signal handlers, RLIMIT_NOFILE as
/// we inherited it and no descriptor but 0, 1 and 2. A name without a slash is looked up on the PATH in the command's
/// environment, else on ours.
///
/// The child shares our memory until then (CLONE_VM), which costs no copy of it, and we do not wait for it (no
/// CLONE_VFORK): the working directory and the program may lie on a device that never answers. So this object must live
/// until decided() is readable or the child was collected.
class Launch {
 public:
  static Result<std::shared_ptr<Launch>> begin(const Command& command);
  ~Launch();
  Launch(const Launch&) = delete;
  Launch& operator=(const Launch&) = delete;

  pid_t pid() const { return pid_; }

  /// Readable, at its end, once the program was executed, or could not be.
  int decided() const { return decided_.get(); }

  /// After that: execve's own error, or that of the working directory. The child then never ran, and exits.
  Result<> outcome() const;

 private:
  struct Plan;

  Launch();
  [[noreturn]] static void fail(Plan& plan, long negative_errno, const char* at);
  static int run_child(void* plan);
  Result<> clone(const Command& command);

  std::unique_ptr<Plan> plan_;
  io::Fd decided_;
  pid_t pid_ = -1;
};

/// Raises our RLIMIT_NOFILE to its hard limit, for ten thousand relays must fit; children get the old one back.
void raise_descriptor_limit();

}  // namespace gcs::runtime
