#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>

#include "stdio/io/result.h"

namespace gcs::testing {

/// Jobs that hang until the test lets them go.
class Gate {
 public:
  ~Gate() {
    open();
    wait_until_left();
  }

  /// One that waits, and then gives a T made of `made_of`.
  template <class T, class From>
  std::function<Result<T>()> job(From made_of) {
    return [this, made_of]() -> Result<T> {
      std::unique_lock lock(mutex_);
      ++waiting_;
      changed_.notify_all();
      changed_.wait(lock, [this] { return open_; });
      ++left_;
      changed_.notify_all();
      return T(made_of);
    };
  }

  /// Until so many wait in it.
  void wait_for(unsigned count) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this, count] { return waiting_ == count; });
  }

  /// The same, to be asked.
  bool holds(unsigned count) {
    const std::lock_guard lock(mutex_);
    return waiting_ == count;
  }

  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

  void wait_until_left() {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [this] { return left_ == waiting_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool open_ = false;
  unsigned waiting_ = 0;
  unsigned left_ = 0;
};

}  // namespace gcs::testing
