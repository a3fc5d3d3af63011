#pragma once

#include <memory>
#include <optional>
#include <string>

#include "stdio/io/task_group.h"

namespace gcs::migration {

/// What a task of its own gives to the one who waits for it, either of whom may go first.
template <class T>
struct Seen {
  explicit Seen(io::Executor executor) : settled(executor, "a call") {}
  std::optional<Result<T>> result;
  io::Condition settled;
};

/// Kept by the task, whose end it reports, also that of a task which was cancelled before it began.
template <class T>
struct SeenBy {
  explicit SeenBy(std::shared_ptr<Seen<T>> whom) : seen(std::move(whom)) {}
  SeenBy(const SeenBy&) = delete;
  SeenBy& operator=(const SeenBy&) = delete;
  ~SeenBy() {
    if (!seen->result) seen->result.emplace(Error(Errc::wrong_state, "the service has ended"));
    seen->settled.notify_all();
  }
  const std::shared_ptr<Seen<T>> seen;
};

template <class T>
io::Task<> run_seen(std::unique_ptr<SeenBy<T>> by, io::Task<Result<T>> work) {
  auto result = co_await std::move(work);
  by->seen->result.emplace(std::move(result));
}

/// Runs `work` in a task of `group` and gives its result: what has begun is finished (or undone, as `work` decides)
/// also where whoever asked is cancelled, as when its connection goes. `wrong_state` when the group was cancelled
/// meanwhile.
template <class T>
io::Task<Result<T>> see_through(io::TaskGroup& group, std::string name, io::Task<Result<T>> work) {
  const auto seen = std::make_shared<Seen<T>>(group.executor());
  group.spawn(std::move(name), run_seen<T>(std::make_unique<SeenBy<T>>(seen), std::move(work)));
  auto settled = [&seen] { return seen->result.has_value(); };
  co_await seen->settled.wait(settled);
  co_return std::move(*seen->result);
}

}  // namespace gcs::migration
