#include "runtime/container.h"

#include <csignal>
#include <nlohmann/json.hpp>

#include "runtime/bundle.h"
#include "runtime/cgroup_limits.h"
#include "runtime/cgroup_stats.h"
#include "runtime/init_program.h"
#include "runtime/resource_update.h"
#include "runtime/spec_process.h"
#include "runtime/stdio_pipes.h"
#include "runtime/tee_file.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

std::string dump(const nlohmann::json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Container::Container(RuntimeContext& context, Pods& pods, ContainerConfig config,
                     std::function<void(ProcessPtr)> run_exec)
    : context_(context), pods_(pods), config_(std::move(config)), run_exec_(std::move(run_exec)) {}

Container::~Container() = default;

Result<> Container::advance(ContainerEvent event) {
  const auto next = next_state(state_, event);
  if (!next) return next.error().within("container " + id());
  state_ = *next;
  return {};
}

io::Task<> Container::run_init([[maybe_unused]] std::shared_ptr<Container> self) {
  auto on_exit = [this] { return init_exited(); };
  co_await init_->run(on_exit);
}

/// With init gone, nothing of the container may go on: in a pid namespace of its own the kernel has seen to that.
io::Task<> Container::init_exited() {
  exit_type_ = runtime::exit_type(asked_, init_->exit_signal());
  discard(advance(ContainerEvent::init_exited), "from every state in which init exists");
  if (!traits_.owns_pid_namespace) {
    discard(co_await context_.oci.kill(id(), SIGKILL, true), "there may be no other process");
  }
  init_ends_ = {};  // of a container that was never started
}

/// Null without a tee log.
io::Task<Result<std::shared_ptr<stdio::TeeLog>>> Container::open_tee() {
  if (traits_.tee_log.empty()) co_return std::shared_ptr<stdio::TeeLog>();
  std::function<Result<io::Fd>()> open = [dir = traits_.logs_dir, path = traits_.tee_log] {
    return open_tee_file(dir, path);
  };
  auto file = co_await context_.offload.call<io::Fd>(std::move(open));
  if (!file) co_return file.error();
  co_return std::make_shared<stdio::TeeLog>(context_.offload, std::move(*file), id());
}

io::Task<Result<pid_t>> Container::start(stdio::StreamPorts ports) {
  if (init_->has_streams()) co_return Error(Errc::wrong_state, "container " + id() + " could not be started before");
  const auto allowed = advance(ContainerEvent::start);
  if (!allowed) co_return allowed.error();
  auto tee = co_await open_tee();
  if (!tee) {
    discard(advance(ContainerEvent::start_failed), "starting is where it is");
    co_return tee.error();
  }
  auto streams = std::make_unique<stdio::StreamSet>(context_.stdio, id(), id() + " init");
  const auto dialled = co_await streams->dial(ports);
  if (!dialled) {
    discard(advance(ContainerEvent::start_failed), "starting is where it is");
    co_return dialled.error();
  }
  // Before the start, so that an init process that ends at once finds its streams.
  init_->attach(std::move(streams), std::move(init_ends_), std::move(*tee));
  init_ends_ = {};
  const auto started = co_await context_.oci.start(id());
  if (!started) {
    co_await init_->end_streams();
    discard(advance(ContainerEvent::start_failed), "starting is where it is");
    co_return started.error();
  }
  co_await program_begun(context_.stdio.executor, context_.stdio.clock, init_->pid());
  discard(advance(ContainerEvent::start_done), "late news changes nothing");
  co_return init_->pid();
}

io::Task<Result<pid_t>> Container::exec(std::shared_ptr<nlohmann::json> process, stdio::StreamPorts ports) {
  const auto allowed = advance(ContainerEvent::exec);
  if (!allowed) co_return allowed.error();
  std::function<Result<bool>()> prepare = [process, traits = traits_] { return prepare_exec(*process, traits); };
  const auto terminal = co_await context_.offload.call<bool>(prepare);
  if (!terminal) co_return terminal.error();

  const std::string name = id() + " exec";
  auto streams = std::make_unique<stdio::StreamSet>(context_.stdio, id(), name);
  const auto dialled = co_await streams->dial(ports);
  if (!dialled) co_return dialled.error();
  StdioPipes pipes;
  ContainerStdio stdio;
  stdio.terminal = *terminal;
  if (!*terminal) {
    const WantedPipes wanted{ports.in.has_value(), ports.out.has_value(), ports.err.has_value()};
    auto made = make_stdio_pipes(context_.stdio.engine, wanted);
    if (!made) co_return made.error();
    pipes = std::move(*made);
    stdio = pipes.theirs();
  }
  auto started = co_await context_.oci.exec(id(), dump(*process), stdio);
  if (!started) co_return started.error();
  if (!next_state(state_, ContainerEvent::exec)) {
    discard(started->child->kill(SIGKILL), "it may have exited with the container");
    co_return Error(Errc::already_stopped, "container " + id() + " has stopped meanwhile");
  }
  if (started->terminal) pipes.ours.pty = context_.stdio.engine.adopt(std::move(started->terminal));

  auto exec = std::make_shared<Process>(context_.stdio, ProcessKind::exec, name, std::move(started->child));
  exec->attach(std::move(streams), std::move(pipes.ours));
  execs_[exec->pid()] = exec;
  run_exec_(exec);
  co_return exec->pid();
}

io::Task<Result<>> Container::shut_down(bool forced) {
  const auto allowed = advance(ContainerEvent::shutdown);
  if (!allowed) co_return allowed.error();
  const int signal = forced ? SIGKILL : SIGTERM;
  const ExitType before = asked_;
  asked_ = asked_after(asked_, signal);  // first: the exit may be seen before the runtime has ended
  auto sent = init_->signal(signal);
  if (!sent) {
    asked_ = before;
    if (sent.error().code() == Errc::process_not_found) {
      co_return Error(Errc::already_stopped, "container " + id() + " has stopped");
    }
  }
  co_return sent;
}

Result<> Container::signal(pid_t pid, int signal) {
  const ProcessPtr process = find(pid);
  if (process == nullptr) return Error(Errc::process_not_found, "there is no process " + std::to_string(pid));
  const auto sent = process->signal(signal);
  if (sent && process == init_) asked_ = asked_after(asked_, signal);
  return sent;
}

ProcessPtr Container::find(pid_t pid) const {
  if (init_ != nullptr && init_->pid() == pid) return init_;
  const auto found = execs_.find(pid);
  return found == execs_.end() ? nullptr : found->second;
}

void Container::forget(const ProcessPtr& exec) {
  const auto found = execs_.find(exec->pid());
  if (found != execs_.end() && found->second == exec) execs_.erase(found);
}

io::Task<Result<>> Container::update(nlohmann::json resources) {
  const auto limits = limits_of(resources);  // what is no number, crun takes for absent
  if (!limits) co_return limits.error();
  const bool lifts = lifts_quota(resources);
  resources = with_period(std::move(resources));
  const auto updated = co_await context_.oci.update(id(), dump(resources));
  if (updated || !lifts || context_.cgroups.version() == Cgroups::Version::v2) co_return updated;
  // An OCI runtime that cannot say -1: the rest by it, and the quota without it.
  resources = without_quota(std::move(resources));
  const auto rest = co_await context_.oci.update(id(), dump(resources));
  if (!rest) co_return rest.error();
  std::function<Result<>()> lift = [cgroups = context_.cgroups, path = traits_.cgroups_path] {
    return lift_quota(cgroups, path);
  };
  co_return co_await context_.offload.call<void>(std::move(lift));
}

io::Task<Result<>> Container::remove() {
  const bool never_started = state_ == ContainerState::created;
  const auto allowed = advance(ContainerEvent::delete_);
  if (!allowed) co_return allowed.error();
  // Whatever streams are still held by a host or a grandchild, nobody will ask for them any more.
  const auto removed = co_await context_.oci.remove(id(), never_started);
  const bool gone = removed || removed.error().code() == Errc::container_not_found;
  if (!gone) {
    discard(advance(ContainerEvent::delete_failed), "deleting is where it is");
    co_return removed.error();
  }
  co_await init_->end_streams();
  const auto execs = execs_;  // one that exits meanwhile may be forgotten
  for (const auto& [pid, process] : execs) co_await process->end_streams();
  // Who watches the container is told before it is gone, so that nothing of it reaches a successor of its name.
  co_await stopped();
  context_.group.cancel(memory_watch_);
  if (has_network_) co_await context_.networks.drop(traits_.network_namespace, init_->pid());
  const auto cleaned = co_await remove_files();
  discard(advance(ContainerEvent::delete_done), "deleting is where it is");
  co_return cleaned;
}

/// A sandbox's files are its pod's, and go with that.
io::Task<Result<>> Container::remove_files() {
  if (placement_.kind == ContainerKind::sandbox) {
    Pod::Remains remains{config_.bundle_path, config_.scratch_path};
    co_return co_await pods_.retire(pod_, std::move(remains));
  }
  std::function<Result<>()> clean = [bundle = config_.bundle_path, scratch = config_.scratch_path] {
    return remove_container_files(bundle, scratch);
  };
  const auto cleaned = co_await context_.offload.call<void>(clean, io::Offload::kLongLimit);
  if (pod_ == nullptr) co_return cleaned;
  const auto left = co_await pods_.leave(pod_, id());
  co_return cleaned ? left : cleaned;
}

io::Task<Result<std::vector<uint32_t>>> Container::pids() {
  std::function<Result<std::vector<uint32_t>>()> read = [cgroups = context_.cgroups, path = traits_.cgroups_path] {
    return cgroups.pids(path);
  };
  co_return co_await context_.offload.call<std::vector<uint32_t>>(read);
}

io::Task<Result<CgroupStats>> Container::stats() {
  std::function<Result<CgroupStats>()> read = [cgroups = context_.cgroups, path = traits_.cgroups_path] {
    return read_cgroup_stats(cgroups, path);
  };
  co_return co_await context_.offload.call<CgroupStats>(read);
}

io::Task<> Container::stopped() {
  discard(co_await init_->wait(std::nullopt), "the code does not matter here");
}

}  // namespace gcs::runtime
