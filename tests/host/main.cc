#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>

#include "stdio/io/log.h"
#include "stdio/io/loop.h"
#include "tests/host/commands.h"
#include "tests/host/interrupt.h"
#include "tests/host/local_host.h"
#include "tests/host/options.h"
#include "tests/host/remote_host.h"
#include "tests/host/replay.h"
#include "tests/host/serve.h"
#include "tests/migration/commands.h"

namespace gcs::host {
namespace {

// As `docker run`: what went wrong was not the command.
constexpr int kOurFailure = 125;

int complain(const Error& error) {
  std::fprintf(stderr, "gcs-host: %s\n", error.message().c_str());
  return kOurFailure;
}

void print(const std::string& text) {
  std::fputs(text.c_str(), stdout);
  std::fflush(stdout);
}

/// The bridge that this run uses, whoever holds it.
struct Bridge {
  std::unique_ptr<LocalHost> local;
  std::unique_ptr<RemoteHost> remote;

  Host& host() {
    if (remote) return *remote;
    return *local;
  }

  io::Task<> stop() {
    if (local) co_await local->client().stop();
    if (remote) co_await remote->stop();
  }
};

/// Everything that main() makes for a run.
struct Program {
  Options options;
  io::TransportName transport;
  io::Engine& engine;
  io::Clock& clock;
  Signals& signals;
};

/// Empty where no server was named.
std::string socket_of(const Options& options) {
  if (!options.save.empty()) return std::string();
  if (!options.socket.empty()) return options.socket;
  const char* named = std::getenv("GCS_HOST_SOCKET");
  return named != nullptr ? named : "";
}

io::Task<Result<>> find_bridge(Program& program, Bridge& bridge) {
  const std::string named = socket_of(program.options);
  const bool own_bridge = program.options.own_bridge || !program.options.save.empty();
  if (!named.empty() || !own_bridge) {
    const std::string path = named.empty() ? kDefaultSocket : named;
    auto remote = co_await RemoteHost::connect(program.engine, program.clock, path);
    if (!remote && !named.empty()) co_return remote.error().within("server on " + path);
    if (remote) {
      bridge.remote = std::move(*remote);
      co_return Result<>();
    }
  }
  bridge.local = std::make_unique<LocalHost>(program.engine, program.clock, program.transport);
  bridge.local->ports().raise(PortAllocator::elsewhere());
  log::info("waiting for the guest", {{"transport", program.options.transport}});
  co_return co_await bridge.local->client().connect();
}

io::Task<Result<int>> with_bridge(Program& program, Bridge& bridge) {
  const std::string& command = program.options.command;
  SavedState state;
  if (command == "resume") {
    auto loaded = load(program.options.save);  // a bad one is told at once, not when the guest has come
    if (!loaded) co_return loaded.error();
    state = std::move(*loaded);
  }
  const auto found = co_await find_bridge(program, bridge);
  if (!found) co_return found.error();
  Caller caller;
  caller.signals = &program.signals;
  if (command == "resume") co_return co_await resume(*bridge.local, std::move(state), program.options, caller);
  if (command == "run") co_return co_await run_container(bridge.host(), program.options, caller);
  if (command == "exec") co_return co_await run_exec(bridge.host(), program.options, caller);
  if (command == "uvm") co_return co_await run_uvm(bridge.host(), program.options, caller);
  const auto text = co_await answer_command(bridge.host(), program.options);
  if (!text) co_return text.error();
  print(*text);
  co_return 0;
}

io::Task<Result<int>> serve_bridge(Program& program, Bridge& bridge) {
  bridge.local = std::make_unique<LocalHost>(program.engine, program.clock, program.transport);
  const std::string named = socket_of(program.options);
  // Beside co_await, GCC 12 would destroy what ?: makes twice.
  const std::string socket = named.empty() ? kDefaultSocket : named;
  const auto served = co_await serve(*bridge.local, program.options.transport, socket, program.signals);
  if (!served) co_return served.error();
  co_return 0;
}

io::Task<Result<int>> replay_files(Program& program, Replay& replay) {
  int status = 0;
  for (const std::string& file : program.options.files) {
    const auto transcript = read_transcript(file);
    if (!transcript) co_return transcript.error();
    const auto found = co_await replay.play(*transcript);
    std::vector<std::string> lines;
    if (found) lines = *found;
    if (!found) lines.push_back(found.error().message());
    print(transcript->name + (lines.empty() ? ": as recorded\n" : ": differs\n"));
    for (const std::string& line : lines) print("  " + line + "\n");
    if (!lines.empty()) status = 1;
  }
  co_return status;
}

io::Task<Result<int>> replay(Program& program, Interrupt& interrupt) {
  Replay replay(program.engine, program.clock, program.transport);
  auto result = co_await interrupt.guard(replay_files(program, replay));
  co_await replay.stop();
  co_return result;
}

io::Task<Result<int>> ask(Program& program, Interrupt& interrupt) {
  Bridge bridge;
  auto result = co_await interrupt.guard(with_bridge(program, bridge));
  co_await bridge.stop();
  co_return result;
}

io::Task<Result<int>> serve_guest(Program& program) {
  Bridge bridge;
  auto result = co_await serve_bridge(program, bridge);
  co_await bridge.stop();
  co_return result;
}

io::Task<Result<int>> about_migration(Program& program, Interrupt& interrupt) {
  const std::string& command = program.options.command;
  migration::Program same{program.options, program.transport, program.engine, program.clock, program.signals};
  // Beside co_await, GCC 12 would destroy what ?: makes twice.
  auto task = command == "serve"     ? migration::serve_shim(same)
              : command == "migrate" ? migration::migrate(same)
                                     : interrupt.guard(migration::ask_shim(same));
  co_return co_await std::move(task);
}

io::Task<> run(Program& program, std::optional<int>& status) {
  // Whoever passes signals on takes them over from this, and gives them back.
  Interrupt interrupt(program.engine.executor());
  program.signals.exchange([&interrupt](int number) {
    if (number != SIGWINCH && number != SIGCONT) interrupt.raise(number);
  });
  const std::string& command = program.options.command;
  const bool migration = !program.options.ttrpc.empty() || !program.options.sockets.empty();
  auto task = migration             ? about_migration(program, interrupt)
              : command == "replay" ? replay(program, interrupt)
              : command == "serve"  ? serve_guest(program)
                                    : ask(program, interrupt);
  const auto result = co_await std::move(task);
  program.signals.exchange(nullptr);
  if (result) {
    status = *result;
  } else {
    status = interrupt.signal() != 0 ? 128 + interrupt.signal() : complain(result.error());
  }
}

int start(const Options& options) {
  const auto transport = io::parse_transport(options.transport);
  if (!transport) return complain(transport.error());
  auto loop = io::Loop::create(options.engine);
  if (!loop) return complain(loop.error());
  auto signals = Signals::block((*loop)->engine(), forwarded_signals());
  if (!signals) return complain(signals.error());
  io::SystemClock clock((*loop)->executor());
  Program program{options, *transport, (*loop)->engine(), clock, *signals};
  std::optional<int> status;
  io::TaskGroup group((*loop)->executor());
  group.spawn("command", run(program, status));
  group.spawn("signals", signals->deliver());
  (*loop)->run_until([&] { return status.has_value() || group.size() < 2; });
  group.cancel();
  (*loop)->run_until([&] { return group.size() == 0; });
  return status.value_or(kOurFailure);
}

}  // namespace
}  // namespace gcs::host

int main(int argc, char** argv) {
  using namespace gcs;
  const auto options = host::parse_options({argv + 1, argv + argc});
  if (!options) return host::complain(options.error());
  if (options->command == "help") {
    host::print(host::usage());
    return 0;
  }
  ::signal(SIGPIPE, SIG_IGN);
  log::configure(options->verbose ? log::Level::debug : log::Level::warning, log::Format::text, STDERR_FILENO);
  return host::start(*options);
}
