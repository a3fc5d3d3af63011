#include <sys/resource.h>

#include <algorithm>

#include "tests/bench/scene.h"

namespace gcs::bench {
namespace {

using Processes = std::vector<std::unique_ptr<host::Process>>;

// Time for what follows a start in the agent (an answer's end, a helper thread's) to be over.
constexpr std::chrono::milliseconds kCalm{500};

/// How many processes with three streams fit the descriptors that an agent may have: a pipe's end and a connection for
/// each stream, and one for the process.
int most_processes() {
  constexpr rlim_t kOthers = 100;
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  return static_cast<int>((limit.rlim_max - std::min(limit.rlim_max, kOthers)) / 7);
}

/// `cat` with stdin, stdout and stderr connected and nothing to do: in the VM where `container` is empty.
io::Task<Result<>> start_one(Scene& scene, const std::string& container, Processes& processes) {
  host::Streams streams;
  streams.in = true;
  host::Command command;
  command.args = {container.empty() ? kBusybox : "cat"};
  if (container.empty()) command.args.emplace_back("cat");
  auto starting = container.empty() ? host::execute_in_vm(scene.host, std::move(command), streams)
                                    : host::execute(scene.host, container, std::move(command), streams);
  auto process = co_await std::move(starting);
  if (!process) co_return process.error();
  processes.push_back(std::move(*process));
  co_return Result<>();
}

/// Ends of their stdins, then their exits.
io::Task<Result<>> end_all(Processes& processes) {
  for (auto& process : processes) process->in->shut_write();
  for (auto& process : processes) {
    const auto finished = co_await finish(*process);
    if (!finished) co_return finished.error();
  }
  co_return Result<>();
}

io::Task<Result<>> measure(Scene& scene, std::string container, int count, std::string name, const char* limit) {
  Bench& bench = scene.bench;
  Processes processes;
  // What the first one alone costs is not what each costs.
  const auto first = co_await start_one(scene, container, processes);
  if (!first) co_return first.error();
  const auto before = scene.agent.footprint();
  if (!before) co_return before.error();
  for (int i = 0; i < count; ++i) {
    const auto started = co_await start_one(scene, container, processes);
    if (!started) co_return started.error().within(text("process %d", i));
  }
  co_await io::sleep_until(bench.engine.executor(), bench.clock, bench.clock.now() + kCalm);
  const Nanoseconds cpu = scene.agent.cpu();
  co_await io::sleep_until(bench.engine.executor(), bench.clock, bench.clock.now() + std::chrono::seconds(1));
  const Nanoseconds used = scene.agent.cpu() - cpu;
  const auto after = scene.agent.footprint();
  if (!after) co_return after.error();
  const double each = (static_cast<double>(after->rss_kib) - static_cast<double>(before->rss_kib)) / count;
  bench.table.add(name,
                  text("%.1f KiB each (RSS %.2f MiB), %lu threads in all, CPU in a quiet second ", each,
                       static_cast<double>(after->rss_kib) / 1024, after->threads) +
                      readable(used),
                  limit);
  co_return co_await end_all(processes);
}

}  // namespace

io::Task<Result<>> measure_idle_execs(Scene& scene) {
  const auto spec = busybox_container({"sleep", "1000"});
  host::Streams streams;
  const auto init = co_await run_container(scene, spec, streams);
  if (!init) co_return init.error();
  const int count = scene.bench.settings.count(500, 5);
  const auto measured = co_await measure(scene, spec.id, count, text("%d idle container execs, 3 streams each", count),
                                         "≤ 8 KiB and 0 threads each (Go: 98 KiB and 2)");
  const auto killed = co_await host::shut_down(scene.host, spec.id, true);
  if (!measured) co_return measured.error();
  if (!killed) co_return killed.error();
  co_return Result<>();
}

io::Task<Result<>> measure_idle_relays(Scene& scene) {
  const int count = std::min(scene.bench.settings.count(3334, 10), most_processes());
  co_return co_await measure(scene, "", count, text("%d idle relays, of %d UVM processes", count * 3, count),
                             "10,000 relays work (or what the descriptors allow)");
}

}  // namespace gcs::bench
