#include "tests/host/commands.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "stdio/io/deadline.h"
#include "stdio/io/log.h"
#include "tests/host/container.h"
#include "tests/host/local_host.h"
#include "tests/host/terminal.h"

namespace gcs::host {
namespace {

// The notification follows the exit's report, or comes just before it.
constexpr std::chrono::seconds kNotificationLimit{15};

int status_of(uint32_t exit_code) {
  return static_cast<int>(exit_code & 0xff);
}

/// The command with the size of the caller's terminal, where it is to have one.
Command sized(Command command, const Caller& caller) {
  if (!command.terminal) return command;
  const auto size = console_size(caller.out) ? console_size(caller.out) : console_size(caller.in);
  if (size) {
    command.height = size->height;
    command.width = size->width;
  }
  return command;
}

/// What the file of --save says of a process that is about to be attended.
SavedState state_of(const Options& options, bool init) {
  SavedState state;
  state.init = init;
  state.keep = options.keep;
  state.terminal = options.container.command.terminal;
  return state;
}

Result<> save_process(LocalHost& host, const Process& process, const std::string& file, SavedState state) {
  state.process = process.migration_state();
  state.next_id = host.client().seed();
  state.next_port = host.ports().peek();
  return save(file, state);
}

/// A bridge that is gone leaves the process to a successor.
bool is_left(Host& host, const Options& options) {
  return !options.save.empty() && !host.local()->client().connected();
}

/// Once there is nothing left to take over.
void unsave(Host& host, const Options& options) {
  if (options.save.empty()) return;
  if (is_left(host, options)) {
    log::warn("the guest still has the process", {{"resume", options.save}});
  } else {
    ::unlink(options.save.c_str());
  }
}

/// From a started process to its exit; with --save the file has its state meanwhile.
io::Task<Result<int>> attended(Host& host, Result<std::unique_ptr<Process>> process, const Options& options,
                               SavedState state, const Caller& caller) {
  if (!process) co_return process.error();
  if (!options.save.empty()) {
    LocalHost& own = *host.local();
    if ((*process)->migration_state().wait_id == 0) (*process)->ask_exit(own.client());
    const auto saved = save_process(own, **process, options.save, state);
    if (!saved) co_return saved.error();
  }
  const auto code = co_await attend(host, **process, caller, state.terminal);
  if (!code) co_return code.error();
  co_return status_of(*code);
}

void warn(const char* step, const Result<>& result) {
  if (!result) log::warn("clean-up failed", {{"step", step}, {"error", result.error().message()}});
}

io::Task<> clean_up(Host& host, ContainerSpec spec, bool created) {
  const auto separated = co_await separate_layers(host, spec);
  warn("layers", separated);
  if (!created) co_return;
  const auto deleted = co_await delete_container(host, spec.id);
  warn("container", deleted);
}

io::Task<Result<>> notified(Host& host, std::string id) {
  auto waiting = host.exited(id);
  const auto deadline = host.clock().now() + kNotificationLimit;
  const std::string name = "the exit notification";
  const auto exit =
      co_await io::with_deadline(host.engine().executor(), host.clock(), deadline, name, std::move(waiting));
  if (!exit) co_return exit.error();
  log::info("container exited", {{"container", id}, {"type", text_of(*exit, "Type")}});
  co_return Result<>();
}

/// The init process of a pod's sandbox: the eldest of its processes.
io::Task<Result<uint32_t>> sandbox_pid(Host& host, std::string pod) {
  const auto pids = co_await process_ids(host, std::move(pod));
  if (!pids) co_return pids.error();
  if (pids->empty()) co_return Error(Errc::wrong_state, "the sandbox has no process");
  co_return *std::min_element(pids->begin(), pids->end());
}

/// The end of a container whose init process gave `status`, or of our interest in it.
io::Task<Result<int>> ended(Host& host, std::string id, Result<int> status) {
  if (!status) {
    // The runtime deletes only what does not run.
    const auto killed = co_await shut_down(host, id, true);
    discard(killed, "it may have ended, or never have begun");
    co_return status;
  }
  const auto exit = co_await notified(host, id);
  if (!exit) co_return exit.error();
  co_return status;
}

std::string line(const char* format, uint64_t a, uint64_t b = 0) {
  std::array<char, 160> text{};
  std::snprintf(text.data(), text.size(), format, a, b);
  return text.data();
}

uint64_t figure(const json& metrics, std::initializer_list<const char*> path) {
  const json* at = &metrics;
  for (const char* name : path) {
    at = member(*at, name);
    if (at == nullptr) return 0;
  }
  return at->is_number_unsigned() ? at->get<uint64_t>() : 0;
}

std::string readable(const json& metrics) {
  constexpr uint64_t kMs = 1000000;
  const uint64_t limit = figure(metrics, {"memory", "usage", "limit"});
  std::string text = line("processes   %lu\n", figure(metrics, {"pids", "current"}));
  text += line("cpu         %lu ms (%lu ms of it in the kernel)\n", figure(metrics, {"cpu", "usage", "total"}) / kMs,
               figure(metrics, {"cpu", "usage", "kernel"}) / kMs);
  text += line("memory      %lu KiB, %lu KiB at most so far\n", figure(metrics, {"memory", "usage", "usage"}) / 1024,
               figure(metrics, {"memory", "usage", "max"}) / 1024);
  // The kernel's "no limit" is a number beyond any machine's memory.
  text += limit == 0 || limit >> 60 != 0 ? "limit       none\n" : line("limit       %lu KiB\n", limit / 1024);
  text += line("oom kills   %lu\n", figure(metrics, {"memory_oom_control", "oom_kill"}));
  return text;
}

io::Task<Result<std::string>> silent(io::Task<Result<>> task) {
  const auto done = co_await std::move(task);
  if (!done) co_return done.error();
  co_return std::string();
}

io::Task<Result<std::string>> modified(Host& host, const Options& options) {
  const std::vector<std::string>& words = options.modify;
  const std::string of = options.container.id.empty() ? std::string(kUvmId) : options.container.id;
  auto settings = parse_json(words[2]);
  if (!settings) co_return Error(Errc::malformed, "the settings are no JSON");
  auto changing = modify(host, words[0], words[1], std::move(*settings), of);
  co_return co_await silent(std::move(changing));
}

io::Task<Result<std::string>> process_table(Host& host, std::string container) {
  const auto pids = co_await process_ids(host, std::move(container));
  if (!pids) co_return pids.error();
  std::string text = "PID\n";
  for (const uint32_t pid : *pids) text += std::to_string(pid) + "\n";
  co_return text;
}

io::Task<Result<std::string>> statistics_table(Host& host, std::string container) {
  const auto metrics = co_await statistics(host, std::move(container));
  if (!metrics) co_return metrics.error();
  co_return readable(*metrics);
}

}  // namespace

io::Task<Result<int>> run_container(Host& host, const Options& options, const Caller& caller) {
  ContainerSpec spec = options.container;
  spec.command = sized(spec.command, caller);
  if (!spec.pod.empty()) {
    const auto joined = co_await sandbox_pid(host, spec.pod);
    if (!joined) co_return joined.error().within("pod " + spec.pod);
    spec.sandbox_pid = *joined;
  }
  const auto combined = co_await combine_layers(host, spec);
  if (!combined) co_return combined.error();
  const auto created = co_await create_container(host, spec);
  if (!created) {
    co_await clean_up(host, spec, false);
    co_return created.error();
  }
  auto process = co_await start_container(host, spec, streams_of(spec.command, options.interactive));
  auto state = state_of(options, true);
  auto status = co_await attended(host, std::move(process), options, std::move(state), caller);
  if (!is_left(host, options)) {
    status = co_await ended(host, spec.id, std::move(status));
    if (!status || !options.keep) co_await clean_up(host, spec, true);
  }
  unsave(host, options);
  co_return status;
}

io::Task<Result<int>> run_exec(Host& host, const Options& options, const Caller& caller) {
  const Command command = sized(options.container.command, caller);
  auto process = co_await execute(host, options.container.id, command, streams_of(command, options.interactive));
  auto state = state_of(options, false);
  auto status = co_await attended(host, std::move(process), options, std::move(state), caller);
  unsave(host, options);
  co_return status;
}

io::Task<Result<int>> run_uvm(Host& host, const Options& options, const Caller& caller) {
  const Command command = sized(options.container.command, caller);
  auto process = co_await execute_in_vm(host, command, streams_of(command, options.interactive));
  auto state = state_of(options, false);
  auto status = co_await attended(host, std::move(process), options, std::move(state), caller);
  unsave(host, options);
  co_return status;
}

io::Task<Result<int>> resume(LocalHost& host, SavedState state, const Options& options, const Caller& caller) {
  const std::string id = state.process.container;
  const bool init = state.init;
  const bool deletes = init && !state.keep;
  host.client().continue_from(state.next_id);
  host.ports().raise(state.next_port);
  if (id != kUvmId) {
    const auto watched = co_await host.watch(id);
    if (!watched) co_return watched.error();
  }
  auto process = co_await Process::open_with_io(host, state.process);
  if (!process) co_return process.error().within("resume");  // the file stays: another may fare better
  auto status = co_await attended(host, std::move(process), options, std::move(state), caller);
  if (init && !is_left(host, options)) {
    auto end = co_await ended(host, id, status);
    // It may have reached the predecessor.
    if (status && !end) log::warn("no notification", {{"error", end.error().message()}});
    ContainerSpec spec;
    spec.id = id;
    if (!status || deletes) co_await clean_up(host, std::move(spec), true);
  }
  unsave(host, options);
  co_return status;
}

io::Task<Result<std::string>> answer_command(Host& host, const Options& options) {
  const std::string& id = options.container.id;
  if (options.command == "ps") return process_table(host, id);
  if (options.command == "stats") return statistics_table(host, id);
  if (options.command == "shutdown") return silent(shut_down(host, id, options.force));
  if (options.command == "delete") return silent(delete_container(host, id));
  if (options.command == "modify") return modified(host, options);
  if (options.command == "poweroff") return silent(host.power_off());
  return stacks(host);
}

}  // namespace gcs::host
