#include "stdio/io/loop.h"

namespace gcs::io {

namespace {

constexpr int kBatch = 256;

}  // namespace

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

/// Runs what is ready, but not for ever: streams that are always ready would keep alarms and completions waiting. True
/// when something may be left.
bool Loop::run_batch() {
  int ran = 0;
  while (ran < kBatch && context_.poll_one() > 0) ++ran;
  return ran == kBatch;
}

void Loop::run_until(const std::function<bool()>& done) {
  stopped_ = false;
  for (;;) {
    const bool more = run_batch();
    if (stopped_ || done()) return;
    engine_->turn(more ? Clock::TimePoint::min() : alarms_.next());
    alarms_.ring_due();
  }
}

void Loop::settle() {
  do {
    alarms_.ring_due();
  } while (context_.poll() > 0 || engine_->turn(Clock::TimePoint::min()));
}

}  // namespace gcs::io
