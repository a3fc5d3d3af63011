#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "stdio/io/task.h"

namespace gcs::io {

/// A call that happens once at a set time unless the alarm is destroyed before. Loop thread only.
class Alarm {
 public:
  class Impl {
   public:
    virtual ~Impl() = default;
  };

  Alarm() = default;
  explicit Alarm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

 private:
  std::unique_ptr<Impl> impl_;
};

/// Monotonic time, injected wherever time matters so that tests can move it.
class Clock {
 public:
  using Duration = std::chrono::steady_clock::duration;
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;

  /// Calls `ring` on the loop at `when`, or in the next turn when that is past.
  virtual Alarm at(TimePoint when, std::function<void()> ring) = 0;
};

class AlarmQueue;

/// CLOCK_MONOTONIC and the loop's own alarms: a frozen guest's time stands still, as its kernel's does.
class SystemClock final : public Clock {
 public:
  explicit SystemClock(Executor executor);
  TimePoint now() const override { return std::chrono::steady_clock::now(); }
  Alarm at(TimePoint when, std::function<void()> ring) override;

 private:
  AlarmQueue& alarms_;
};

Task<> sleep_until(Executor executor, Clock& clock, Clock::TimePoint when);

}  // namespace gcs::io
