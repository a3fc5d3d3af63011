// One process of a host: what ends it, and in which order.

#include "runtime/process.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "tests/support/stdio_house.h"

namespace gcs::testing {
namespace {

using namespace std::chrono_literals;

bool waits_for_group(const std::string& task) {
  const auto tasks = io::live_tasks();
  return std::find(tasks.begin(), tasks.end(), task + ": task group") != tasks.end();
}

/// A real child, for only those are reaped; its streams are fakes.
struct Bench {
  StdioHouse house;
  runtime::Reaper reaper{house.loop.engine()};
  std::optional<Running<Done>> reaping;

  Bench() {
    REQUIRE(reaper.start());
    reaping.emplace(house.loop.start(reaper.run()));
  }
  ~Bench() {
    house.loop.group().cancel();
    house.loop.run_until([this] { return reaping->done(); });
  }

  runtime::ProcessPtr spawn() {
    runtime::Command command;
    command.argv = {"/bin/true"};
    io::Clock& clock = house.loop.clock();
    auto child = house.loop.run(reaper.spawn(std::move(command), clock, clock.now() + 10s));
    REQUIRE(child);
    auto process = std::make_shared<runtime::Process>(house.context, runtime::ProcessKind::exec, "p", *child);
    house.dialer.next = {&house.host_in, &house.host_out, &house.host_err};
    auto streams = std::make_unique<stdio::StreamSet>(house.context, "c1", "p");
    REQUIRE(house.loop.run(streams->dial({1, 2, 3})));
    process->attach(std::move(streams), house.ends());
    return process;
  }

  void end_outputs() {
    house.out.end();
    house.err.end();
    house.loop.settle();
    for (FakePeer* host : {&house.host_out, &house.host_err}) host->hang_up();
  }
};

/// Ends the streams as soon as the process's own task does.
io::Task<> end_beside(io::Executor executor, runtime::ProcessPtr process, bool& met) {
  while (!process->has_exited() && !met) {
    met = waits_for_group("runner");
    if (met) co_await process->end_streams();
    co_await io::next_turn(executor);
  }
}

}  // namespace

TEST_CASE("process: its streams may be ended by a Delete while it ends them itself") {
  Bench bench;
  const auto process = bench.spawn();
  bench.house.loop.group().spawn("runner", process->run({}));
  bench.end_outputs();
  bool met = false;
  const auto ending = bench.house.loop.start(end_beside(bench.house.loop.executor(), process, met));
  bench.house.loop.run_until([&] { return ending.done(); });
  CHECK(met);
  CHECK(*bench.house.loop.run(process->wait(10s)) == 0);
  CHECK_FALSE(process->has_streams());
}

}  // namespace gcs::testing
