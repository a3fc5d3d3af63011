#include "tests/bench/scene.h"

namespace gcs::bench {
namespace {

// The agent dials every 10 ms in the first seconds: by then it has failed a few times, and the further part of a
// millisecond in each round lets the host come back at any point between two dials.
constexpr std::chrono::microseconds kAway{35000};
constexpr std::chrono::microseconds kShift{370};

}  // namespace

io::Task<Result<>> measure_redial(Scene& scene) {
  Bench& bench = scene.bench;
  host::BridgeClient& client = scene.host.client();
  Sample sample;
  const int drops = bench.settings.count(100, 5);
  for (int i = 0; i < drops; ++i) {
    client.drop();
    const auto back = bench.clock.now() + kAway + i % 27 * kShift;
    co_await io::sleep_until(bench.engine.executor(), bench.clock, back);
    const Stopwatch watch;
    const auto connected = co_await client.connect();
    if (!connected) co_return connected.error().within(text("drop %d", i));
    sample.add(watch.elapsed());
  }
  bench.table.add("re-dial: host listens again → negotiated",
                  "p50 " + readable(sample.quantile(0.5)) + ", p99 " + readable(sample.quantile(0.99)),
                  "p50 ≤ 10 ms (Go: 100.6 ms)");
  co_return Result<>();
}

}  // namespace gcs::bench
