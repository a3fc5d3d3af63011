#include "tests/bench/pinned.h"
#include "tests/bench/plain_bridge.h"
#include "tests/bench/scene.h"

namespace gcs::bench {
namespace {

using host::Message;

constexpr int kInFlight = 64;

/// On how many cores host and agent run decides more than the agent does: on two, each message wakes the other core.
struct Placement {
  int agent_core;
  const char* measure;
};
constexpr Placement kPlacements[] = {
    {0, "cheap call (WaitForProcess, unknown container), one core"},
    {1, "the same, host and agent on a core each"},
};

Result<> measure_one_by_one(Bench& bench, const testing::Agent& agent, PlainBridge& bridge,
                            const Placement& placement) {
  const int rounds = bench.settings.count(20000, 200);
  const auto pinned = Pinned::pin(agent, placement.agent_core);
  if (!pinned) {
    bench.table.add_missing(placement.measure, pinned.error().message());
    return {};
  }
  Sample sample;
  const Nanoseconds before = agent.cpu();
  for (int i = 0; i < rounds; ++i) {
    const auto time = bridge.time_call();
    if (!time) return time.error();
    sample.add(*time);
  }
  const Nanoseconds cpu = (agent.cpu() - before) / rounds;
  bench.table.add(
      placement.measure,
      "p50 " + readable(sample.quantile(0.5)) + ", p99 " + readable(sample.quantile(0.99)) + ", CPU " + readable(cpu),
      "≤ 30 µs p50, ≤ 12 µs CPU (Go: 90, 60)");
  return {};
}

Result<> measure_in_flight(Bench& bench, const testing::Agent& agent, PlainBridge& bridge) {
  const int rounds = bench.settings.count(200000, 2000);
  const Nanoseconds before = agent.cpu();
  const Stopwatch watch;
  int sent = 0;
  int answered = 0;
  int room = kInFlight;
  while (answered < rounds) {
    const int batch = std::min(room, rounds - sent);
    const auto more = bridge.send(Message::wait_for_process, kCheap, batch);
    if (!more) return more.error();
    sent += batch;
    const auto got = bridge.receive();
    if (!got) return got.error();
    answered += *got;
    room = *got;
  }
  const double rate = rounds / seconds(watch.elapsed());
  const Nanoseconds cpu = (agent.cpu() - before) / rounds;
  bench.table.add(text("the same, %d in flight", kInFlight),
                  text("%.0f k/s, CPU ", rate / 1000) + readable(cpu) + " each", "≥ 5 × Go's (9.5–29 k/s)");
  return {};
}

}  // namespace

io::Task<Result<>> measure_calls(Bench& bench) {
  auto listener = io::make_listener(bench.engine, bench.transport, host::kBridgePort);
  if (!listener) co_return listener.error();
  auto agent = testing::Agent::start(bench.settings.agent);
  if (!agent) co_return agent.error();
  auto stream = co_await accept_agent(bench, **listener);
  if (!stream) co_return stream.error();
  PlainBridge bridge(std::move(*stream));
  const auto negotiated = bridge.negotiate();
  if (!negotiated) co_return negotiated.error();
  for (const Placement& placement : kPlacements) {
    const auto alone = measure_one_by_one(bench, *agent, bridge, placement);
    if (!alone) co_return alone.error();
  }
  const auto together = measure_in_flight(bench, *agent, bridge);
  if (!together) co_return together.error();
  co_return agent->stop();
}

}  // namespace gcs::bench
