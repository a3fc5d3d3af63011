#include "tests/support/loop.h"

namespace gcs::testing {
namespace {

std::unique_ptr<io::Loop> make_loop(io::EngineKind kind) {
  auto loop = io::Loop::create(kind);
  if (!loop) FAIL("no loop: " << loop.error().message());
  return std::move(*loop);
}

}  // namespace

Loop::Loop(io::EngineKind kind) : loop_(make_loop(kind)), clock_(loop_->executor()), group_(loop_->executor()) {}

Loop::~Loop() {
  group_.cancel();
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const io::Alarm alarm = clock_.at(limit, [] {});
  loop_->run_until([&] { return group_.size() == 0 || std::chrono::steady_clock::now() >= limit; });
}

void Loop::settle() {
  loop_->settle();
}

void Loop::look_until(const std::function<bool()>& done) {
  struct Ticking {
    static io::Task<> tick(io::Executor executor, io::Clock& clock) {
      for (;;) co_await io::sleep_until(executor, clock, clock.now() + std::chrono::milliseconds(5));
    }
  };
  const auto ticking = group_.spawn("tick", Ticking::tick(executor(), clock_));
  run_until(done);
  group_.cancel(ticking);
}

void Loop::run_until(const std::function<bool()>& done) {
  const auto limit = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  const io::Alarm alarm = clock_.at(limit, [] {});
  loop_->run_until([&] { return done() || std::chrono::steady_clock::now() >= limit; });
  if (done()) return;
  std::string tasks;
  for (const std::string& task : io::live_tasks()) tasks += "\n  " + task;
  FAIL("what the test waits for did not happen within 20 s; live tasks:" << tasks);
}

}  // namespace gcs::testing
