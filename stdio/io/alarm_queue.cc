#include "stdio/io/alarm_queue.h"

namespace gcs::io {

asio::execution_context::id AlarmQueue::id;

/// One alarm, as its owner holds it. Once rung it has no place any more.
class AlarmQueue::Handle final : public Alarm::Impl {
 public:
  Handle(AlarmQueue& queue, Clock::TimePoint when, std::function<void()> ring)
      : queue_(queue), ring_(std::move(ring)), place_(queue.alarms_.emplace(when, this)) {}

  ~Handle() override {
    if (place_ != queue_.alarms_.end()) queue_.alarms_.erase(place_);
  }

  /// The call may destroy the alarm.
  void ring() {
    queue_.alarms_.erase(place_);
    place_ = queue_.alarms_.end();
    const auto call = std::move(ring_);
    call();
  }

 private:
  AlarmQueue& queue_;
  std::function<void()> ring_;
  Alarms::iterator place_;
};

AlarmQueue& AlarmQueue::of(Executor executor) {
  return asio::use_service<AlarmQueue>(asio::query(executor, asio::execution::context));
}

Alarm AlarmQueue::at(Clock::TimePoint when, std::function<void()> ring) {
  return Alarm(std::make_unique<Handle>(*this, when, std::move(ring)));
}

void AlarmQueue::ring_due() {
  if (alarms_.empty()) return;
  const auto now = std::chrono::steady_clock::now();
  // Those that are set meanwhile, for a time that is past, have the next turn.
  for (size_t count = alarms_.size(); count > 0 && next() <= now; --count) alarms_.begin()->second->ring();
}

}  // namespace gcs::io
