#include <sys/stat.h>

#include "tests/bench/scene.h"

namespace gcs::bench {
namespace {

Result<> add_size(Bench& bench) {
  struct stat status {};
  if (::stat(bench.settings.agent.binary.c_str(), &status) != 0) return sys_error(bench.settings.agent.binary);
  bench.table.add("binary", text("%.2f MB", static_cast<double>(status.st_size) / 1e6), "≤ 2.5 MB (Go: 11.9 MB)");
  return {};
}

/// The host listens before; the agent has nothing to wait for.
io::Task<Result<Nanoseconds>> start_once(Bench& bench) {
  auto listener = io::make_listener(bench.engine, bench.transport, host::kBridgePort);
  if (!listener) co_return listener.error();
  const Stopwatch watch;
  auto agent = testing::Agent::start(bench.settings.agent);
  if (!agent) co_return agent.error();
  const auto stream = co_await accept_agent(bench, **listener);
  const Nanoseconds took = watch.elapsed();
  if (!stream) co_return stream.error();
  const auto stopped = agent->stop();
  if (!stopped) co_return stopped.error();
  co_return took;
}

io::Task<Result<>> measure_footprint(Scene& scene) {
  const auto footprint = scene.agent.footprint();
  if (!footprint) co_return footprint.error();
  scene.bench.table.add("RSS after negotiate",
                        text("%.2f MiB (PSS %.2f), %lu threads", static_cast<double>(footprint->rss_kib) / 1024,
                             static_cast<double>(footprint->pss_kib) / 1024, footprint->threads),
                        "≤ 2 MiB, ≤ 3 threads (Go: 12.5 MiB, 7)");
  co_return Result<>();
}

}  // namespace

io::Task<Result<>> measure_start(Bench& bench) {
  const auto size = add_size(bench);
  if (!size) co_return size.error();
  const auto footprint = co_await with_scene(bench, measure_footprint);
  if (!footprint) co_return footprint.error();
  Sample sample;
  const int rounds = bench.settings.count(20, 3);
  for (int i = 0; i < rounds; ++i) {
    const auto took = co_await start_once(bench);
    if (!took) co_return took.error();
    sample.add(*took);
  }
  bench.table.add("exec of the binary → bridge connect, p50", readable(sample.quantile(0.5)), "≤ 3 ms (Go: 32 ms)");
  co_return Result<>();
}

}  // namespace gcs::bench
