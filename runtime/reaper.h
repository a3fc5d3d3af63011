#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <optional>

#include "runtime/child.h"
#include "stdio/io/clock.h"
#include "stdio/io/engine.h"
#include "stdio/io/task_group.h"

namespace gcs::runtime {

/// How a process ended, as wait(2) says it.
struct ExitStatus {
  int code = 0;
  int signal = 0;

  /// 128 + signal, as shells and OCI runtimes say it.
  uint32_t as_shell() const { return signal != 0 ? 128U + static_cast<uint32_t>(signal) : static_cast<uint32_t>(code); }
};

/// One child whose status is claimed. Kept by whoever waits for it; the reaper fills it in.
class Child {
 public:
  Child(io::Executor executor, pid_t pid) : exited_(executor, "child exit"), pid_(pid) {}

  pid_t pid() const { return pid_; }
  bool has_exited() const { return status_.has_value(); }

  /// Returns at once when it has exited already. Any number of waiters.
  io::Task<ExitStatus> exited();

  /// kill(2), but never on a pid that was reaped and may be somebody else's: then it is `process_not_found`.
  Result<> kill(int signal) const;

 private:
  friend class Reaper;
  io::Condition exited_;
  std::optional<ExitStatus> status_;
  std::shared_ptr<Launch> launch_;  // the memory of one that has not reached its program yet
  pid_t pid_;
};

using ChildPtr = std::shared_ptr<Child>;

/// Kills a child when it goes, unless that was called off: whatever becomes of a caller, its child ends.
class Killing {
 public:
  explicit Killing(ChildPtr child) : child_(std::move(child)) {}
  ~Killing();
  Killing(const Killing&) = delete;
  Killing& operator=(const Killing&) = delete;

  void dismiss() { child_.reset(); }

 private:
  ChildPtr child_;
};

/// The one place that collects children: those we spawn, those that an OCI runtime leaves to us (gcs is their
/// subreaper), and orphans. A status goes to the Child that claimed its pid, and to nobody else.
///
/// Loop thread only. SIGCHLD must be blocked in every thread before it starts.
class Reaper {
 public:
  explicit Reaper(io::Engine& engine) : engine_(engine) {}

  /// Becomes subreaper and opens the SIGCHLD descriptor.
  Result<> start();

  /// Collects for ever; run by the owner's group.
  io::Task<> run();

  /// Starts a child, claimed before its exit can be seen, and waits until it runs its program: errors are those of
  /// Launch. One that has not come so far at `deadline`, or when the caller is cancelled, is killed: `timed_out`.
  io::Task<Result<ChildPtr>> spawn(Command command, io::Clock& clock, io::Clock::TimePoint deadline);

  /// While one lives, statuses of unclaimed children are kept, so that a process whose pid is learned from a pid file
  /// can have exited before it is claimed. Take it before the runtime is started.
  class Expectation {
   public:
    explicit Expectation(Reaper& reaper);
    ~Expectation();
    Expectation(const Expectation&) = delete;
    Expectation& operator=(const Expectation&) = delete;

    /// Claims a child that the runtime left. `process_not_found` when it is not a child of ours.
    Result<ChildPtr> claim(pid_t pid);

   private:
    Reaper& reaper_;
    uint64_t since_;
  };

  /// One round of waitpid; called by run() on SIGCHLD.
  void collect();

 private:
  struct Unclaimed {
    ExitStatus status;
    uint64_t order;
  };

  io::Engine& engine_;
  std::unique_ptr<io::Stream> signals_;
  std::map<pid_t, ChildPtr> claimed_;
  std::map<pid_t, Unclaimed> unclaimed_;
  uint64_t reaped_ = 0;
  unsigned expecting_ = 0;
};

}  // namespace gcs::runtime
