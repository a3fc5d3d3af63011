#pragma once

#include <optional>

#include "stdio/io/task_group.h"

namespace gcs::io {

/// Runs `task` until `deadline`; past it the task is cancelled, waited for, and the answer is `timed_out`, unless it
/// finished after all. `name` is for the task list and the error's text.
template <class T>
Task<Result<T>> with_deadline(Executor executor, Clock& clock, Clock::TimePoint deadline, std::string name,
                              Task<Result<T>> task) {
  struct State {
    explicit State(Executor on) : finished(on, "deadline"), group(on) {}
    std::optional<Result<T>> result;
    Condition finished;
    TaskGroup group;
  };
  struct Run {
    static Task<> store(State& state, Task<Result<T>> inner) {
      auto result = co_await std::move(inner);
      state.result.emplace(std::move(result));
      state.finished.notify_all();
    }
  };
  State state(executor);
  state.group.spawn(name, Run::store(state, std::move(task)));
  auto done = [&state] { return state.result.has_value() || state.group.size() == 0; };
  // The caller's own cancellation must not leave the inner task behind: it ends the wait, and is thrown after the join.
  const bool before = co_await heeds_cancellation();
  co_await ignore_cancellation();
  {
    const Alarm alarm = clock.at(deadline, [&state] { state.finished.notify_all(); });
    bool asked_to_end = false;
    while (!done() && !asked_to_end && clock.now() < deadline) {
      co_await state.finished.next();
      asked_to_end = co_await cancelled();
    }
  }
  const bool in_time = state.result.has_value();
  state.group.cancel();
  co_await state.group.join();
  co_await heed_cancellation(before);
  // An error that came after the deadline is only what the cancellation made of the operation.
  if (!state.result || (!in_time && !*state.result)) co_return Error(Errc::timed_out, name + " took too long");
  co_return std::move(*state.result);
}

}  // namespace gcs::io
