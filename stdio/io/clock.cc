#include "stdio/io/clock.h"

#include "stdio/io/alarm_queue.h"
#include "stdio/io/condition.h"

namespace gcs::io {

SystemClock::SystemClock(Executor executor) : alarms_(AlarmQueue::of(executor)) {}

Alarm SystemClock::at(TimePoint when, std::function<void()> ring) {
  return alarms_.at(when, std::move(ring));
}

Task<> sleep_until(Executor executor, Clock& clock, Clock::TimePoint when) {
  Condition slept(executor, "clock");
  auto over = [] { return false; };
  co_await slept.wait_until(clock, when, over);
}

}  // namespace gcs::io
