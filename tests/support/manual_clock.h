#pragma once

#include <map>

#include "stdio/io/clock.h"

namespace gcs::testing {

/// Time that moves when the test says so: advance() rings every alarm that is due, in order.
class ManualClock final : public io::Clock {
 public:
  TimePoint now() const override { return now_; }
  io::Alarm at(TimePoint when, std::function<void()> ring) override;
  void advance(Duration by);

 private:
  struct Entry;
  class Handle;
  std::multimap<TimePoint, std::shared_ptr<Entry>> alarms_;
  TimePoint now_{};
};

}  // namespace gcs::testing
