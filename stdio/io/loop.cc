#include "stdio/io/loop.h"

namespace gcs::io {

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
  const auto work = asio::make_work_guard(context_);
  context_.restart();  // settle() may have left it without work
  stopped_ = false;
  while (!stopped_ && !done()) {
    context_.poll();
    // Submit before sleeping, and sleep only when nothing completed at once: completions that a submission brings
    // along do not always signal the eventfd again.
    if (engine_->turn()) continue;
    if (stopped_ || done()) return;
    context_.run_one();
  }
}

void Loop::settle() {
  context_.restart();
  while (context_.poll() > 0 || engine_->turn()) {
  }
}

}  // namespace gcs::io
