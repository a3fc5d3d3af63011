#pragma once

#include <optional>

#include "stdio/io/task_group.h"

namespace gcs::host {

/// Lets somebody end a task that could wait for ever.
class Interrupt {
 public:
  explicit Interrupt(io::Executor executor) : changed_(executor, "interruptible") {}

  void raise(int signal) {
    signal_ = signal_ == 0 ? signal : signal_;
    changed_.notify_all();
  }

  /// 0 while nobody has raised it.
  int signal() const { return signal_; }

  /// Runs the task; when raised, cancels it and gives `wrong_state`. The task must not own running tasks itself.
  template <class T>
  io::Task<Result<T>> guard(io::Task<Result<T>> task) {
    std::optional<Result<T>> result;
    io::TaskGroup group(changed_.executor());
    group.spawn("command", store(result, std::move(task), changed_));
    auto over = [this, &result, &group] { return signal_ != 0 || result.has_value() || group.size() == 0; };
    co_await changed_.wait(over);
    group.cancel();
    co_await group.join();
    if (!result) co_return Error(Errc::wrong_state, "interrupted");
    co_return std::move(*result);
  }

 private:
  template <class T>
  static io::Task<> store(std::optional<Result<T>>& result, io::Task<Result<T>> task, io::Condition& changed) {
    auto value = co_await std::move(task);
    result.emplace(std::move(value));
    changed.notify_all();
  }

  int signal_ = 0;
  io::Condition changed_;
};

}  // namespace gcs::host
