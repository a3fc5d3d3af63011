#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "stdio/io/engine.h"
#include "stdio/io/task_group.h"
#include "tests/host/json_value.h"

namespace gcs::migration {

using host::json;

/// What QEMU tells unasked.
struct QmpEvent {
  std::string name;
  const json& data;  ///< an object; empty where the event has none
  std::chrono::system_clock::time_point when;
};

/// QEMU's monitor over one connection: JSON objects, one a line, both ways (QEMU's qmp-spec).
///
///     greeted ──negotiate──▶ open        any ──loss, a line that is no QMP, stop──▶ broken, for good
///
/// Commands may overlap; answers find theirs by id. Once broken, every call fails with what broke it. Owned by a
/// QemuVm; stop() before it goes. Loop thread only.
class Qmp {
 public:
  /// No answer of QEMU's takes that long, not even nested in another emulated machine (bench runs: below 2 s).
  static constexpr std::chrono::seconds kAnswerLimit{30};

  /// QEMU's longest known answer, query-qmp-schema, has 200 KiB; those that are asked here have one.
  static constexpr size_t kMaxLine = 1 << 20;

  Qmp(io::Engine& engine, io::Clock& clock, std::unique_ptr<io::Stream> stream);
  Qmp(const Qmp&) = delete;
  Qmp& operator=(const Qmp&) = delete;

  /// Called by the reader's task, in QEMU's order and before the answer of a command that follows. It must not end us.
  void on_event(std::function<void(const QmpEvent&)> listener) { listener_ = std::move(listener); }

  /// Called once, when nothing more will come.
  void on_broken(std::function<void()> listener) { broken_listener_ = std::move(listener); }

  /// Waits for the greeting and leaves the mode in which QEMU takes no other command.
  io::Task<Result<>> negotiate();

  /// One command; gives what QEMU returned. Errors: what QEMU answered, as qmp_error() says; `timed_out`; what broke
  /// the connection.
  io::Task<Result<json>> execute(std::string command, json arguments);
  io::Task<Result<json>> execute(std::string command);

  /// Gives QEMU a descriptor under a name, for "fd:<name>". QEMU then has its own of the same open file.
  io::Task<Result<>> give(std::string name, io::Fd fd);

  bool broken() const { return broken_.has_value(); }

  /// Breaks the connection; returns when no task is left.
  io::Task<> stop();

 private:
  struct Call;
  class Turn;

  io::Task<> read();
  Result<> take(std::string_view line);
  void take_event(const json& message);
  void fail(Error error);
  io::Task<Result<json>> call(std::string command, json arguments, io::Fd fd);
  io::Task<Result<>> send(std::string line, io::Fd fd);
  io::Task<Result<size_t>> send_with(std::string_view line, const io::Fd& fd);

  io::Clock& clock_;
  std::unique_ptr<io::Stream> stream_;
  std::function<void(const QmpEvent&)> listener_;
  std::function<void()> broken_listener_;
  std::map<int64_t, std::shared_ptr<Call>> calls_;
  int64_t last_id_ = 0;
  bool greeted_ = false;
  bool sending_ = false;
  std::optional<Error> broken_;
  io::Condition changed_;
  io::TaskGroup group_;
};

/// What QEMU answers to a command that failed: "<command>: <desc> (<class>)". Nearly everything is a GenericError.
Error qmp_error(const std::string& command, const json& error);

}  // namespace gcs::migration
