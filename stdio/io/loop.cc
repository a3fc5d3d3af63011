#include "stdio/io/loop.h"

namespace gcs::io {

Loop::Loop() : context_(1), work_(asio::make_work_guard(context_)), alarms_(AlarmQueue::of(context_.get_executor())) {}

Result<std::unique_ptr<Loop>> Loop::create(EngineKind kind) {
  std::unique_ptr<Loop> loop(new Loop());
  auto engine = make_engine(kind, loop->context_);
  if (!engine) return engine.error();
  loop->engine_ = std::move(*engine);
  return loop;
}

void Loop::run() {
  run_until([] { return false; });
}

void Loop::run_until(const std::function<bool()>& done) {
  stopped_ = false;
  for (;;) {
    context_.poll();
    if (stopped_ || done()) return;
    engine_->turn(alarms_.next());
    alarms_.ring_due();
  }
}

void Loop::settle() {
  do {
    alarms_.ring_due();
  } while (context_.poll() > 0 || engine_->turn(Clock::TimePoint::min()));
}

}  // namespace gcs::io
