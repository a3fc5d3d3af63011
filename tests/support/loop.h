#pragma once

#include <doctest/doctest.h>

#include <exception>
#include <functional>
#include <memory>
#include <optional>

#include "stdio/io/loop.h"
#include "stdio/io/task_group.h"

namespace gcs::testing {

/// A started task whose end a test can ask for. Declare it after everything the task refers to.
template <class T>
class Running {
 public:
  bool done() const { return state_->value.has_value() || state_->failure; }
  T& value() {
    if (state_->failure) std::rethrow_exception(state_->failure);
    REQUIRE(state_->value.has_value());
    return *state_->value;
  }

  struct State {
    std::optional<T> value;
    std::exception_ptr failure;
  };
  std::shared_ptr<State> state_ = std::make_shared<State>();
};

struct Done {};

/// The loop of tests. With fakes only, settle() runs everything that can run: it is deterministic, since nothing
/// touches the kernel. With a kernel engine, run_until() waits on a predicate with a deadline that only ever fails.
class Loop {
 public:
  explicit Loop(io::EngineKind kind = io::EngineKind::epoll);
  ~Loop();

  io::Executor executor() { return loop_->executor(); }
  io::Engine& engine() { return loop_->engine(); }
  io::Clock& clock() { return clock_; }
  io::TaskGroup& group() { return group_; }

  /// Starts a task; an exception (a failed REQUIRE) comes out of value().
  template <class T>
  Running<T> start(io::Task<T> task) {
    Running<T> running;
    group_.spawn("test", store<T>(running.state_, std::move(task)));
    return running;
  }
  Running<Done> start(io::Task<> task) { return start<Done>(finish(std::move(task))); }

  /// Runs a task to its end and gives its value.
  template <class T>
  T run(io::Task<T> task) {
    Running<T> running = start(std::move(task));
    run_until([&running] { return running.done(); });
    return std::move(running.value());
  }
  void run(io::Task<> task) { run<Done>(finish(std::move(task))); }

  /// Runs all that is ready, without waiting for the kernel.
  void settle();

  /// Runs until the predicate holds; fails the test after 20 s.
  void run_until(const std::function<bool()>& done);

  /// The same for what no event of this loop tells of, a file or another process: looks every 5 ms.
  void look_until(const std::function<bool()>& done);

 private:
  static io::Task<Done> finish(io::Task<> task) {
    co_await std::move(task);
    co_return Done{};
  }
  template <class T>
  static io::Task<> store(std::shared_ptr<typename Running<T>::State> state, io::Task<T> task) {
    try {
      auto value = co_await std::move(task);
      state->value.emplace(std::move(value));
    } catch (...) {
      state->failure = std::current_exception();
    }
  }

  std::unique_ptr<io::Loop> loop_;
  io::SystemClock clock_;
  io::TaskGroup group_;
};

}  // namespace gcs::testing
