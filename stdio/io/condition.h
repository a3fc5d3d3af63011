#pragma once

#include <list>

#include "stdio/io/clock.h"
#include "stdio/io/suspension.h"

namespace gcs::io {

/// What tasks wait on. A wake-up proves nothing; the predicate does. Loop thread only; must outlive its waiters.
class Condition {
 public:
  /// `name` is a static string: what the task list shows for the waiters.
  Condition(Executor executor, const char* name) : executor_(executor), name_(name) {}
  Condition(const Condition&) = delete;
  Condition& operator=(const Condition&) = delete;

  /// Waits until the predicate holds; does not suspend when it holds already.
  template <class Predicate>
  Task<> wait(Predicate predicate) {
    while (!predicate()) co_await next();
  }

  /// The same, at most until `deadline`; gives what the predicate said last.
  template <class Predicate>
  Task<bool> wait_until(Clock& clock, Clock::TimePoint deadline, Predicate predicate) {
    const Alarm alarm = clock.at(deadline, [this] { notify_all(); });
    while (!predicate() && clock.now() < deadline) co_await next();
    co_return predicate();
  }

  /// One wake-up, for callers that write the loop out.
  Task<> next();

  void notify_all();
  bool has_waiters() const { return !waiters_.empty(); }
  Executor executor() const { return executor_; }

 private:
  class Waiter;

  Executor executor_;
  const char* name_;
  std::list<Waiter*> waiters_;
};

}  // namespace gcs::io
