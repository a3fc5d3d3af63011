#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/bench/scene.h"

namespace gcs::bench {
namespace {

// As long as a measurement can take.
const std::vector<std::string> kLongSleep = {"sleep", "1000"};

using Start = io::Task<Result<std::unique_ptr<host::Process>>> (*)(Scene& scene, const std::string& container);

io::Task<Result<std::unique_ptr<host::Process>>> start_in_vm(Scene& scene, const std::string&) {
  host::Command command;
  command.args = {kBusybox, "true"};
  host::Streams streams;
  co_return co_await host::execute_in_vm(scene.host, std::move(command), streams);
}

io::Task<Result<std::unique_ptr<host::Process>>> start_in_container(Scene& scene, const std::string& container) {
  host::Command command;
  command.args = {"true"};
  host::Streams streams;
  co_return co_await host::execute(scene.host, container, std::move(command), streams);
}

/// From ExecuteProcess to the answer that tells the exit, with stdout and stderr connected and read to their ends.
io::Task<Result<>> repeat(Scene& scene, Start start, const std::string& container, int rounds, const char* measure,
                          const char* limit) {
  Sample sample;
  const Nanoseconds before = scene.agent.cpu();
  for (int i = 0; i < rounds; ++i) {
    const Stopwatch watch;
    const auto process = co_await start(scene, container);
    if (!process) co_return process.error();
    const auto finished = co_await finish(**process);
    if (!finished) co_return finished.error();
    sample.add(watch.elapsed());
  }
  const Nanoseconds cpu = (scene.agent.cpu() - before) / rounds;
  scene.bench.table.add(measure,
                        "p50 " + readable(sample.quantile(0.5)) + ", p99 " + readable(sample.quantile(0.99)) +
                            ", agent's CPU " + readable(cpu),
                        limit);
  co_return Result<>();
}

/// What the program costs by itself: its start and end with nobody between, to be subtracted in thought.
Result<> measure_bare(Bench& bench) {
  Sample sample;
  const int rounds = bench.settings.count(500, 5);
  std::string program = kBusybox;
  std::string applet = "true";
  char* argv[] = {program.data(), applet.data(), nullptr};
  for (int i = 0; i < rounds; ++i) {
    const Stopwatch watch;
    pid_t pid = -1;
    int status = 0;
    if (::posix_spawn(&pid, kBusybox, nullptr, nullptr, argv, environ) != 0) return sys_error("spawn busybox");
    ::waitpid(pid, &status, 0);
    sample.add(watch.elapsed());
  }
  bench.table.add("busybox true alone, no agent", "p50 " + readable(sample.quantile(0.5)), "");
  return {};
}

}  // namespace

io::Task<Result<>> measure_execs(Scene& scene) {
  const Settings& settings = scene.bench.settings;
  const auto bare = measure_bare(scene.bench);
  if (!bare) co_return bare.error();
  const auto in_vm = co_await repeat(scene, start_in_vm, "", settings.count(1000, 5), "exec of a UVM process → exit",
                                     "≤ ½ of Go's 0.73–1.0 ms");
  if (!in_vm) co_return in_vm.error();
  const auto spec = busybox_container(kLongSleep);
  host::Streams streams;
  auto init = co_await run_container(scene, spec, streams);
  if (!init) co_return init.error();
  const auto in_container = co_await repeat(scene, start_in_container, spec.id, settings.count(100, 3),
                                            "container exec → exit", "≤ ⅓ of Go's 11–28 ms with runc (crun)");
  if (!in_container) co_return in_container.error();
  const auto killed = co_await host::shut_down(scene.host, spec.id, true);
  if (!killed) co_return killed.error();
  co_return Result<>();
}

}  // namespace gcs::bench
