#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "stdio/io/log.h"
#include "stdio/io/loop.h"
#include "tests/chaos/cast.h"
#include "tests/chaos/cutter.h"
#include "tests/chaos/storm.h"

namespace gcs::chaos {
namespace {

constexpr const char* kUsage =
    "usage: gcs-chaos [--cuts N] [--seed N] [--io uring|epoll] [--runtime PATH] [--storm SECONDS [--in-flight N]] [-v] "
    "GCS\n";

constexpr uint64_t kAllowedGrowthKib = 16 * 1024;  // design 9.1
constexpr std::chrono::seconds kLetGoLimit{20};

std::optional<Settings> parse(int argc, char** argv) {
  Settings settings;
  settings.agent.runtime = "/usr/bin/crun";
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    const bool more = i + 1 < argc;
    if (word == "--cuts" && more) {
      settings.cuts = std::atoi(argv[++i]);
    } else if (word == "--seed" && more) {
      settings.seed = std::strtoull(argv[++i], nullptr, 10);
    } else if (word == "--io" && more) {
      settings.agent.engine = argv[++i];
    } else if (word == "--runtime" && more) {
      settings.agent.runtime = argv[++i];
    } else if (word == "--storm" && more) {
      settings.storm_seconds = std::atoi(argv[++i]);
    } else if (word == "--in-flight" && more) {
      settings.in_flight = std::atoi(argv[++i]);
    } else if (word == "-v") {
      settings.verbose = true;
    } else if (settings.agent.binary.empty() && word[0] != '-') {
      settings.agent.binary = word;
    } else {
      return std::nullopt;
    }
  }
  if (settings.agent.binary.empty()) return std::nullopt;
  return settings;
}

std::string counted(const testing::Holdings& held) {
  return std::to_string(held.descriptors) + " descriptors, " + std::to_string(held.children) + " children, " +
         std::to_string(held.mounts) + " mounts, " + std::to_string(held.cgroups) + " cgroups";
}

/// Waits until the agent holds what it held; what it lets go of late is let go of in time all the same.
io::Task<> compare_holdings(Scene& scene, const testing::Agent& agent, testing::Holdings before) {
  const auto deadline = scene.clock.now() + kLetGoLimit;
  while (!(agent.holdings() == before) && scene.clock.now() < deadline) {
    co_await scene.pause(std::chrono::milliseconds(20));
  }
  const auto after = agent.holdings();
  if (after == before) co_return;
  scene.verdict.broken(Invariant::holdings, "before: " + counted(before) + "; after: " + counted(after));
}

void compare_memory(Scene& scene, const testing::Agent& agent, const testing::Footprint& before) {
  const auto after = agent.footprint();
  if (!after) return scene.verdict.broken(Invariant::memory, after.error().message());
  std::printf("agent: RSS %lu KiB before, %lu KiB after; %lu threads\n", before.rss_kib, after->rss_kib,
              after->threads);
  if (agent.sanitized() || after->rss_kib <= before.rss_kib + kAllowedGrowthKib) return;
  scene.verdict.broken(Invariant::memory, "it has grown by more than 16 MiB");
}

void print_streams(const Scene& scene) {
  uint64_t bytes = 0;
  uint64_t doubled = 0;
  uint64_t lost = 0;
  for (const auto* list : {&scene.retired, &scene.cast}) {
    for (const auto& actor : *list) {
      bytes += actor->bytes();
      doubled += actor->doubled();
      lost += actor->lost();
      if (actor->role().job == Job::brief) continue;
      std::printf("  %-26s %12lu bytes, %9lu repeated, %9lu lost\n", actor->name().c_str(), actor->bytes(),
                  actor->doubled(), actor->lost());
    }
  }
  std::printf("  %-26s %12lu bytes, %9lu repeated, %9lu lost\n", "all streams", bytes, doubled, lost);
}

io::Task<Result<>> play(Scene& scene, Cutter& cutter, Cast& cast) {
  const testing::Agent& agent = scene.agent;
  const auto begun = co_await cutter.begin();
  if (!begun) co_return begun.error();
  const auto warm = co_await cast.warm_up();
  if (!warm) co_return warm.error();
  const auto quiet = co_await host::quiet(scene.host);
  if (!quiet) co_return quiet.error();
  const auto holdings = agent.holdings();
  const auto footprint = agent.footprint();
  if (!footprint) co_return footprint.error();
  const auto entered = co_await cast.enter();
  if (!entered) co_return entered.error();
  const auto started = scene.clock.now();
  const auto cut = co_await cutter.run();
  const std::chrono::duration<double> took = scene.clock.now() - started;
  std::printf("%s in %.1f s; %lu brief processes, %lu brief containers, %zu hosts\n", cutter.summary().c_str(),
              took.count(), cast.brief_processes(), cast.brief_containers(), scene.host.hosts());
  if (cut) {
    co_await cutter.settle();
    co_await cast.leave();
    co_await compare_holdings(scene, agent, holdings);
    compare_memory(scene, agent, *footprint);
  }
  print_streams(scene);
  co_return cut;
}

io::Task<> perform(Scene& scene, bool& done) {
  Cutter cutter(scene);
  Cast cast(scene);
  auto playing = scene.settings.storm_seconds > 0 ? storm(scene) : play(scene, cutter, cast);
  const auto played = co_await std::move(playing);
  if (!played && !scene.host.is_ended()) scene.verdict.broken(Invariant::agent_lives, played.error().message());
  co_await scene.host.stop();
  scene.group.cancel();
  co_await scene.group.join();
  done = true;
}

/// Far more than it takes: a hang is an error, not a wait for ever.
std::chrono::milliseconds time_limit(const Settings& settings) {
  const std::chrono::milliseconds for_cuts(settings.cuts * 500LL);
  return for_cuts + std::chrono::seconds(settings.storm_seconds) + std::chrono::minutes(3);
}

int run(const Settings& settings) {
  const auto transport = io::parse_transport(testing::kAgentTransport);
  // Not io_uring: its requests keep a closed descriptor open for a while after they were cancelled, and a host that
  // dies closes all at once.
  auto loop = io::Loop::create(io::EngineKind::epoll);
  auto agent = testing::Agent::start(settings.agent);
  if (!transport || !loop || !agent) {
    std::fprintf(stderr, "gcs-chaos: no event loop, or no agent\n");
    return 2;
  }
  std::printf("seed %lu, engine %s\n", settings.seed, settings.agent.engine.c_str());
  io::SystemClock clock((*loop)->executor());
  Scene scene(settings, *agent, (*loop)->engine(), clock, *transport);
  bool done = false;
  io::TaskGroup group((*loop)->executor());
  group.spawn("chaos", perform(scene, done));
  const auto limit = std::chrono::steady_clock::now() + time_limit(settings);
  const io::Alarm alarm = clock.at(limit, [] {});
  (*loop)->run_until([&group, limit] { return group.size() == 0 || std::chrono::steady_clock::now() >= limit; });
  if (group.size() > 0) {
    std::printf("VIOLATED: it took too long; what goes on here:\n");
    for (const std::string& task : io::live_tasks()) std::printf("  %s\n", task.c_str());
    scene.verdict.print();
    std::fflush(stdout);
    ::_exit(1);  // the tasks still refer to all of the above; the agent goes with its namespace
  }
  const auto stopped = agent->stop();
  if (!stopped) scene.verdict.broken(Invariant::agent_lives, stopped.error().message());
  scene.verdict.print();
  const bool clean = done && scene.verdict.clean();
  std::printf("%s, seed %lu\n", clean ? "clean" : "NOT CLEAN", settings.seed);
  return clean ? 0 : 1;
}

}  // namespace
}  // namespace gcs::chaos

int main(int argc, char** argv) {
  using namespace gcs;
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const auto settings = chaos::parse(argc, argv);
  if (!settings) {
    std::fputs(chaos::kUsage, stderr);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  log::configure(log::Level::warning, log::Format::text, STDERR_FILENO);
  return chaos::run(*settings);
}
