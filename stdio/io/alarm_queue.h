#pragma once

#include <map>

#include "stdio/io/clock.h"

namespace gcs::io {

/// The alarms of one loop, in the order of their times. A service of the loop's context, so that a clock finds it by
/// the executor; the loop sleeps no longer than until next(), and rings what is due. Loop thread only.
class AlarmQueue final : public asio::execution_context::service {
 public:
  static asio::execution_context::id id;

  static AlarmQueue& of(Executor executor);

  explicit AlarmQueue(asio::execution_context& context) : service(context) {}

  Alarm at(Clock::TimePoint when, std::function<void()> ring);

  /// When the loop must be awake: TimePoint::max() without alarms.
  Clock::TimePoint next() const { return alarms_.empty() ? Clock::TimePoint::max() : alarms_.begin()->first; }

  /// Rings those whose time has come, and that still want it when it is their turn.
  void ring_due();

 private:
  class Handle;
  using Alarms = std::multimap<Clock::TimePoint, Handle*>;

  void shutdown() override {}

  Alarms alarms_;
};

}  // namespace gcs::io
