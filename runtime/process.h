#pragma once

#include <functional>
#include <optional>
#include <string>

#include "runtime/reaper.h"
#include "stdio/stream_set.h"

namespace gcs::runtime {

enum class ProcessKind { init, exec, uvm };

/// One process that hosts know by its pid. It is kept while somebody may still ask for its exit code, its streams only
/// until they are drained. Owned by its container or the registry, as a shared pointer that its own task holds too.
///
///     running ──exit seen──▶ draining ──output with the host──▶ exited
///
/// Waiters learn the code in `exited` only, as hosts expect (wire.md 12). An outage changes nothing here.
class Process {
 public:
  Process(stdio::StdioContext& context, ProcessKind kind, std::string name, ChildPtr child);

  pid_t pid() const { return child_->pid(); }
  ProcessKind kind() const { return kind_; }
  bool has_exited() const { return exit_code_.has_value(); }

  /// Attaches the streams, whose relays then run; with `tee` the outputs are written to that log, too. At most once.
  void attach(std::unique_ptr<stdio::StreamSet> streams, stdio::ProcessEnds ends,
              std::shared_ptr<stdio::TeeLog> tee = nullptr);
  bool has_streams() const { return streams_ != nullptr; }

  /// Waits for the exit, then for the output, then tells the waiters. `on_exit` runs as soon as the exit is seen,
  /// before the drain. To be run once, by the owner's group.
  io::Task<> run(std::function<io::Task<>()> on_exit);

  /// The exit code; `timed_out` if `limit` passes first. No limit: for ever.
  io::Task<Result<uint32_t>> wait(std::optional<io::Clock::Duration> limit);

  /// kill(2); `process_not_found` once the process has been collected.
  Result<> signal(int signal) const { return child_->kill(signal); }

  /// Gives up the streams, whatever they still hold: for a container that is deleted. At any time, also while run()
  /// ends them.
  io::Task<> end_streams();

  /// The signal that it died of, 0 before and for an exit of its own.
  int exit_signal() const { return exit_signal_; }

  Result<> resize(uint16_t rows, uint16_t columns);

 private:
  uint32_t code_of(const ExitStatus& status) const;

  stdio::StdioContext& context_;
  ProcessKind kind_;
  std::string name_;
  ChildPtr child_;
  std::shared_ptr<stdio::StreamSet> streams_;  // whoever awaits something of it holds it, too
  std::optional<uint32_t> exit_code_;
  int exit_signal_ = 0;
  io::Condition exited_;
};

using ProcessPtr = std::shared_ptr<Process>;

}  // namespace gcs::runtime
