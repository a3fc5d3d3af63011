#pragma once

#include <optional>

#include "stdio/io/task.h"

namespace gcs::io {

struct TaskEntry;

/// The one place where a task stops running: every wait of this house (ring operation, condition, clock, offload) is a
/// Suspension on the waiting coroutine's frame. That is why the task list can say what each task awaits.
///
///     Task<int> Ring::recv(...) { RecvOp op(...); co_return co_await op.wait("recv"); }
///
/// Loop thread only. The waiting coroutine owns it; it is not gone before resume() because nothing else ends the wait.
class Suspension {
 public:
  Suspension() = default;
  Suspension(const Suspension&) = delete;
  Suspension& operator=(const Suspension&) = delete;

  /// Suspends the calling task until resume() or post(); gives the value passed there. `what` is a static string for
  /// the task list. start() runs once the task is suspended, so a wait that was cancelled before it began never starts.
  Task<int> wait(Executor executor, const char* what);

  /// Runs the waiting task now, inside this call. For the loop's own completions only.
  void resume(int value);

  /// Runs the waiting task in a later turn of the loop. Further calls before that turn do nothing.
  void post(int value);

 protected:
  ~Suspension() = default;

  /// Begins what the task waits for.
  virtual void start() = 0;

  /// The task was asked to end. Must lead to a resume(), at once by post() or later; never inside this call.
  virtual void cancel() = 0;

 private:
  using Handler = asio::async_result<asio::use_awaitable_t<Executor>, void(int)>::handler_type;

  std::optional<Executor> executor_;
  std::optional<Handler> handler_;
  TaskEntry* task_ = nullptr;
  bool posted_ = false;
};

/// Lets everything else that can run go first.
Task<> next_turn(Executor executor);

}  // namespace gcs::io
