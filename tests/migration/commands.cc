#include "tests/migration/commands.h"

#include <signal.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <iterator>

#include "stdio/io/log.h"
#include "tests/host/control_socket.h"
#include "tests/migration/migration_report.h"
#include "tests/migration/orchestrator.h"
#include "tests/migration/qemu_vm.h"
#include "tests/migration/shim_server.h"
#include "tests/migration/standing_vm.h"
#include "tests/ttrpc/typed.h"

namespace gcs::migration {
namespace {

namespace pb = gcs::shim;

/// A client of one shim's service, for the time of a command.
class Dialled {
 public:
  static io::Task<Result<std::unique_ptr<Dialled>>> to(Program& program, std::string socket) {
    auto stream = co_await host::dial_control(program.engine, socket);
    if (!stream) co_return stream.error().within(socket);
    co_return std::make_unique<Dialled>(program, std::move(*stream));
  }

  Dialled(Program& program, std::unique_ptr<io::Stream> stream)
      : client_(program.engine.executor(), program.clock, std::move(stream)) {}

  ttrpc::Client& client() { return client_; }

  template <class Response>
  io::Task<Result<Response>> call(const char* method, const google::protobuf::MessageLite& request) {
    auto answer = co_await ttrpc::call<Response>(client_, ShimService::kName, method, request);
    if (!answer) co_return ttrpc::to_error(answer.status());
    co_return std::move(*answer);
  }

 private:
  ttrpc::Client client_;
};

io::Task<Result<int>> start(Dialled& shim, const host::Options& options) {
  const host::ContainerSpec& spec = options.container;
  pb::StartRequest request;
  request.set_container_id(spec.id);
  for (const std::string& layer : spec.layers) request.add_layers(layer);
  for (const std::string& word : spec.command.args) request.add_args(word);
  for (const std::string& entry : spec.command.env) request.add_env(entry);
  request.set_cwd(spec.command.cwd);
  request.set_terminal(spec.command.terminal);
  request.set_stdin(options.interactive);
  request.set_read_only(spec.read_only);
  request.set_hostname(spec.hostname);
  request.set_memory_limit_bytes(spec.memory_limit);
  const auto started = co_await shim.call<pb::StartResponse>("Start", request);
  if (!started) co_return started.error();
  std::printf("%u\n", started->pid());
  co_return 0;
}

io::Task<Result<int>> wait(Dialled& shim, const host::Options& options) {
  pb::WaitRequest request;
  request.set_container_id(options.container.id);
  const auto exited = co_await shim.call<pb::WaitResponse>("Wait", request);
  if (!exited) co_return exited.error();
  co_return static_cast<int>(exited->exit_code() & 0xff);
}

io::Task<Result<int>> signal(Dialled& shim, const host::Options& options) {
  pb::SignalRequest request;
  request.set_container_id(options.container.id);
  request.set_signal(options.signal);
  const auto sent = co_await shim.call<pb::SignalResponse>("Signal", request);
  if (!sent) co_return sent.error();
  co_return 0;
}

io::Task<Result<int>> remove(Dialled& shim, const host::Options& options) {
  pb::RemoveRequest request;
  request.set_container_id(options.container.id);
  const auto removed = co_await shim.call<pb::RemoveResponse>("Remove", request);
  if (!removed) co_return removed.error();
  co_return 0;
}

io::Task<Result<int>> list(Dialled& shim) {
  const pb::ListRequest request;
  const auto listed = co_await shim.call<pb::ListResponse>("List", request);
  if (!listed) co_return listed.error();
  std::printf("%s\n", listed->state().c_str());
  for (const auto& container : listed->containers()) {
    const std::string how = container.has_exit_code() ? "exited " + std::to_string(container.exit_code()) : "running";
    std::printf("%s %u %s\n", container.container_id().c_str(), container.pid(), how.c_str());
  }
  co_return 0;
}

/// The VM of a shim, of either kind.
struct Machine {
  std::unique_ptr<StandingVm> standing;
  std::unique_ptr<QemuVm> qemu;
  QemuConfig config;

  Vm& vm() {
    if (qemu) return *qemu;
    return *standing;
  }

  /// Nothing where somebody else runs the guest.
  io::Task<Result<>> start() {
    if (!qemu) co_return Result<>();
    co_return co_await qemu->start(config);
  }
};

Result<Machine> machine_of(Program& program) {
  const host::Options& options = program.options;
  Machine machine;
  if (options.vm.empty()) {
    machine.standing = std::make_unique<StandingVm>(program.engine, program.clock, StandingVm::Plan());
    return machine;
  }
  std::ifstream file(options.vm);
  const std::string text((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  if (!file) return sys_error("read " + options.vm);
  auto config = from_document(text);
  if (!config) return config.error().within(options.vm);
  machine.config = std::move(*config);
  QemuPlace place;
  place.console = options.console;
  place.max_bandwidth = options.bandwidth;
  machine.qemu = std::make_unique<QemuVm>(program.engine, program.clock, std::move(place));
  return machine;
}

io::Task<> boot(Machine& machine, Shim& shim, std::optional<Error>& failure, io::Condition& changed) {
  const auto started = co_await machine.start();
  if (!started) failure = started.error();
  if (started) {
    const auto booted = co_await shim.boot();
    if (!booted) failure = booted.error();
  }
  changed.notify_all();
}

}  // namespace

io::Task<Result<int>> serve_shim(Program& program) {
  const host::Options& options = program.options;
  auto machine = machine_of(program);
  if (!machine) co_return machine.error();
  ShimServer server(program.engine, program.clock, program.transport, options.stdio, machine->vm());
  if (machine->standing) {
    machine->standing->plan().on_blackout = [&server] { return server.shim().break_off(); };
  }
  const auto listening = server.listen(options.ttrpc);
  if (!listening) co_return listening.error();
  log::info("serving", {{"ttrpc", options.ttrpc}});
  io::Condition changed(program.engine.executor(), "a signal");
  bool over = false;
  program.signals.exchange([&](int number) {
    over = over || (number != SIGWINCH && number != SIGCONT);
    changed.notify_all();
  });
  std::optional<Error> failure;
  io::TaskGroup group(program.engine.executor());
  if (!options.incoming) group.spawn("boot", boot(*machine, server.shim(), failure, changed));
  auto ended = [&] { return over || failure; };
  co_await changed.wait(ended);
  program.signals.exchange(nullptr);
  group.cancel();
  co_await group.join();
  co_await server.stop();
  const auto stopped = co_await machine->vm().stop();
  if (failure) co_return *failure;
  if (!stopped) co_return stopped.error();
  co_return 0;
}

io::Task<Result<int>> migrate(Program& program) {
  std::optional<Phase> last;
  if (!program.options.cancel_at.empty()) {
    Phase phase{};
    if (!Phase_Parse("PHASE_" + program.options.cancel_at, &phase)) {
      co_return Error(Errc::invalid_argument, "--cancel-at: there is no phase \"" + program.options.cancel_at + "\"");
    }
    last = phase;
  }
  auto source = co_await Dialled::to(program, program.options.sockets[0]);
  if (!source) co_return source.error();
  auto destination = co_await Dialled::to(program, program.options.sockets[1]);
  Result<Outcome> outcome = destination ? Result<Outcome>(Outcome()) : Result<Outcome>(destination.error());
  if (destination) {
    Report report(program.clock, ::isatty(STDOUT_FILENO) == 1);
    Orchestrator orchestrator(program.engine, program.clock, (*source)->client(), (*destination)->client());
    orchestrator.on_step([&report, &orchestrator, last](const Step& step) {
      report.show(step);
      if (step.kind == Step::Kind::event && step.event.notification().phase() == last) orchestrator.cancel();
    });
    program.signals.exchange([&orchestrator](int number) {
      if (number != SIGWINCH && number != SIGCONT) orchestrator.cancel();
    });
    outcome = co_await orchestrator.migrate(host::random_id().substr(0, 16), host::random_id());
    program.signals.exchange(nullptr);
    if (outcome) report.conclude(*outcome);
    co_await (*destination)->client().stop();
  }
  co_await (*source)->client().stop();
  if (!outcome) co_return outcome.error();
  co_return outcome->moved ? 0 : 1;
}

io::Task<Result<int>> ask_shim(Program& program) {
  const host::Options& options = program.options;
  auto shim = co_await Dialled::to(program, options.sockets[0]);
  if (!shim) co_return shim.error();
  auto asking = options.command == "start"    ? start(**shim, options)
                : options.command == "wait"   ? wait(**shim, options)
                : options.command == "signal" ? signal(**shim, options)
                : options.command == "remove" ? remove(**shim, options)
                                              : list(**shim);
  auto answer = co_await std::move(asking);
  co_await (*shim)->client().stop();
  co_return answer;
}

}  // namespace gcs::migration
