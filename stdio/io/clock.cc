#include "stdio/io/clock.h"

#include "stdio/io/condition.h"

namespace gcs::io {
namespace {

class TimerAlarm final : public Alarm::Impl {
 public:
  TimerAlarm(Executor executor, Clock::TimePoint when, std::function<void()> ring)
      : timer_(executor, when), alive_(std::make_shared<bool>(true)) {
    timer_.async_wait([alive = alive_, call = std::move(ring)](const asio::error_code& error) {
      if (!error && *alive) call();
    });
  }
  ~TimerAlarm() override { *alive_ = false; }

 private:
  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;
  Timer timer_;
  std::shared_ptr<bool> alive_;  // a timer that expired before its cancellation still calls its handler
};

}  // namespace

Alarm SystemClock::at(TimePoint when, std::function<void()> ring) {
  return Alarm(std::make_unique<TimerAlarm>(executor_, when, std::move(ring)));
}

Task<> sleep_until(Executor executor, Clock& clock, Clock::TimePoint when) {
  Condition slept(executor, "clock");
  auto over = [] { return false; };
  co_await slept.wait_until(clock, when, over);
}

}  // namespace gcs::io
