#pragma once

#include <sys/types.h>

#include <memory>
#include <string>
#include <vector>

#include "stdio/io/engine.h"
#include "stdio/io/task_group.h"

namespace gcs::migration {

/// One QEMU as a child of ours: seen and ended through a pidfd, always collected, its last words kept.
///
///     running ──exit, kill──▶ ended (collected)
///
/// stop() before it goes. Loop thread only.
class QemuProcess {
 public:
  /// What QEMU says of why it ends is a line or two.
  static constexpr size_t kMaxWords = 4096;

  /// With a default signal mask, default handlers, and no descriptors but /dev/null, its stderr and `monitor`, which
  /// becomes number kMonitorFd (qemu_config.h). Errors: what keeps the program from being executed.
  static Result<std::unique_ptr<QemuProcess>> launch(io::Engine& engine, io::Clock& clock,
                                                     std::vector<std::string> argv, io::Fd monitor);
  ~QemuProcess();
  QemuProcess(const QemuProcess&) = delete;
  QemuProcess& operator=(const QemuProcess&) = delete;

  pid_t pid() const { return pid_; }
  bool ended() const { return ended_; }

  /// Waits until it has ended and was collected; false at the deadline.
  io::Task<bool> wait_ended(io::Clock::TimePoint deadline);

  /// SIGKILL. Nothing once it has ended.
  void kill();

  /// The last line on its stderr, without the program's name; else how it ended.
  std::string last_words() const;

  /// Kills it if need be; returns when it is collected and no task is left.
  io::Task<> stop();

 private:
  QemuProcess(io::Engine& engine, io::Clock& clock, pid_t pid, io::Fd handle, io::Fd words);

  io::Task<> watch();
  io::Task<> listen();

  io::Engine& engine_;
  io::Clock& clock_;
  pid_t pid_;
  io::Fd handle_;
  std::unique_ptr<io::Stream> stderr_;
  std::string words_;
  int status_ = 0;  // as CLD_ and its number, once it has ended
  int how_ = 0;
  bool collected_ = false;  // the pid is nobody's any more
  bool silent_ = false;     // stderr has ended
  bool ended_ = false;
  io::Condition changed_;
  io::TaskGroup group_;
};

}  // namespace gcs::migration
