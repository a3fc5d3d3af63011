#include <sys/utsname.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstring>
#include <optional>

#include "stdio/io/log.h"
#include "stdio/io/loop.h"
#include "tests/bench/scene.h"

namespace gcs::bench {
namespace {

constexpr const char* kUsage =
    "usage: gcs-bench [-io=uring|epoll] [--runtime PATH] [--quick] [--minute] [--only SECTION] GCS\n";

std::optional<Settings> parse(int argc, char** argv) {
  Settings settings;
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word.rfind("-io=", 0) == 0) {
      settings.agent.engine = word.substr(4);
    } else if (word == "--runtime" && i + 1 < argc) {
      settings.agent.runtime = argv[++i];
    } else if (word == "--only" && i + 1 < argc) {
      settings.only = argv[++i];
    } else if (word == "--minute") {
      settings.minute = true;
    } else if (word == "--quick") {
      settings.quick = true;
    } else if (settings.agent.binary.empty() && word[0] != '-') {
      settings.agent.binary = word;
    } else {
      return std::nullopt;
    }
  }
  if (settings.agent.binary.empty()) return std::nullopt;
  return settings;
}

void print_machine(const Settings& settings) {
  utsname machine{};
  ::uname(&machine);
  std::printf("%ld cores, Linux %s %s; engine %s, runtime %s%s\n\n", ::sysconf(_SC_NPROCESSORS_ONLN), machine.release,
              machine.machine, settings.agent.engine.c_str(), settings.agent.runtime.c_str(),
              settings.quick ? "; --quick: too few rounds for the figures to mean anything" : "");
}

/// One part of the table; a failure takes the rest of the part with it, and nothing else.
struct Section {
  const char* name;
  io::Task<Result<>> (*alone)(Bench& bench);
  Body in_scene;
};

constexpr Section kSections[] = {
    {"start", measure_start, nullptr},
    {"calls", measure_calls, nullptr},
    {"log", measure_log, nullptr},
    {"execs", nullptr, measure_execs},
    {"relays", nullptr, measure_relays},
    {"idle-execs", nullptr, measure_idle_execs},
    {"idle-relays", nullptr, measure_idle_relays},
    {"redial", nullptr, measure_redial},
};

io::Task<> measure_all(Bench& bench, bool& done) {
  for (const Section& section : kSections) {
    if (!bench.settings.only.empty() && bench.settings.only != section.name) continue;
    auto running = section.alone != nullptr ? section.alone(bench) : with_scene(bench, section.in_scene);
    const auto measured = co_await std::move(running);
    if (!measured) bench.table.add_missing(section.name, measured.error().message());
  }
  done = true;
}

int run(const Settings& settings) {
  const auto transport = io::parse_transport(testing::kAgentTransport);
  auto loop = io::Loop::create(io::EngineKind::automatic);
  if (!transport || !loop) {
    std::fprintf(stderr, "gcs-bench: no event loop\n");
    return 1;
  }
  io::SystemClock clock((*loop)->executor());
  Table table;
  Bench bench{settings, (*loop)->engine(), clock, *transport, table};
  bool done = false;
  io::TaskGroup group((*loop)->executor());
  group.spawn("bench", measure_all(bench, done));
  (*loop)->run_until([&group] { return group.size() == 0; });
  print_machine(settings);
  table.print();
  return done && table.complete() ? 0 : 1;
}

}  // namespace
}  // namespace gcs::bench

int main(int argc, char** argv) {
  using namespace gcs;
  const auto settings = bench::parse(argc, argv);
  if (!settings) {
    std::fputs(bench::kUsage, stderr);
    return 2;
  }
  ::signal(SIGPIPE, SIG_IGN);
  log::configure(log::Level::warning, log::Format::text, STDERR_FILENO);
  return bench::run(*settings);
}
