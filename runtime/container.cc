#include "runtime/container.h"

#include <csignal>
#include <nlohmann/json.hpp>

#include "runtime/bundle.h"
#include "runtime/cgroup_stats.h"
#include "runtime/init_program.h"
#include "runtime/oci_spec.h"
#include "runtime/stdio_pipes.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

std::string dump(const nlohmann::json& document) {
  return document.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

Container::Container(RuntimeContext& context, ContainerConfig config, std::function<void(ProcessPtr)> run_exec)
    : context_(context), config_(std::move(config)), run_exec_(std::move(run_exec)) {}

Container::~Container() = default;

Result<> Container::advance(ContainerEvent event) {
  const auto next = next_state(state_, event);
  if (!next) return next.error().within("container " + id());
  state_ = *next;
  return {};
}

io::Task<Result<>> Container::create() {
  auto made = co_await create_parts();
  if (made) {
    discard(advance(ContainerEvent::create_done), "creating is where it is");
    auto self = shared_from_this();
    context_.group.spawn(id() + " init", run_init(std::move(self)));
    co_return made;
  }
  discard(advance(ContainerEvent::create_failed), "creating is where it is");
  co_return made;
}

io::Task<Result<>> Container::create_parts() {
  NetworkNames names = names_of_vm();
  names.dns = context_.networks.dns_of(network_namespace_of(*config_.spec));
  auto prepared = prepare_standalone(*config_.spec, id(), config_.bundle_path, names);
  if (!prepared) co_return prepared.error();
  traits_ = std::move(*prepared);

  const std::string bundle = config_.bundle_path;
  const std::string config = spec_text(*config_.spec);
  std::function<Result<>()> write = [bundle, config, files = traits_.files] {
    return write_bundle(bundle, config, files);
  };
  const auto written = co_await context_.offload.call<void>(write);
  if (!written) co_return written.error();
  config_.spec.reset();  // what is still needed of it is in traits_

  auto created = co_await create_process();
  if (created) created = co_await join_network();
  if (created) co_return created;
  discard(co_await context_.oci.remove(id(), true), "the runtime may have made nothing");
  std::function<Result<>()> undo = [bundle] { return remove_bundle(bundle); };
  const auto undone = co_await context_.offload.call<void>(undo);
  if (!undone) log::warn("bundle left behind", {{"cid", id()}, {"error", undone.error().message()}});
  co_return created;
}

/// The pipes are made now, for the init process inherits them from the runtime's create.
io::Task<Result<>> Container::create_process() {
  StdioPipes pipes;
  ContainerStdio stdio;
  stdio.terminal = traits_.terminal;
  if (!traits_.terminal) {
    auto made = make_stdio_pipes(context_.stdio.engine, WantedPipes());
    if (!made) co_return made.error();
    pipes = std::move(*made);
    stdio = pipes.theirs();
  }
  auto started = co_await context_.oci.create(id(), config_.bundle_path, stdio);
  if (!started) co_return started.error();
  init_ends_ = std::move(pipes.ours);
  if (started->terminal) init_ends_.pty = context_.stdio.engine.adopt(std::move(started->terminal));
  init_ = std::make_shared<Process>(context_.stdio, ProcessKind::init, id() + " init", std::move(started->child));
  co_return Result<>();
}

/// Its adapters come in now that there is an init process whose namespace they can be in.
io::Task<Result<>> Container::join_network() {
  network::Attachment here;
  here.pid = init_->pid();
  here.host_network = traits_.host_network;
  for (const BundleFile& file : traits_.files) {
    if (file.name == "resolv.conf") here.resolv_conf = config_.bundle_path + "/" + file.name;
  }
  const auto joined = co_await context_.networks.attach(traits_.network_namespace, std::move(here));
  if (!joined) co_return joined.error().within("network of container " + id());
  co_return joined;
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

io::Task<Result<pid_t>> Container::start(stdio::StreamPorts ports) {
  if (init_->has_streams()) co_return Error(Errc::wrong_state, "container " + id() + " could not be started before");
  const auto allowed = advance(ContainerEvent::start);
  if (!allowed) co_return allowed.error();
  auto streams = std::make_unique<stdio::StreamSet>(context_.stdio, id(), id() + " init");
  const auto dialled = co_await streams->dial(ports);
  if (!dialled) {
    discard(advance(ContainerEvent::start_failed), "starting is where it is");
    co_return dialled.error();
  }
  // Before the start, so that an init process that ends at once finds its streams.
  init_->attach(std::move(streams), std::move(init_ends_));
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

io::Task<Result<>> Container::update(std::string resources) {
  co_return co_await context_.oci.update(id(), std::move(resources));
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
  co_await context_.networks.drop(traits_.network_namespace, init_->pid());
  std::function<Result<>()> clean = [bundle = config_.bundle_path, scratch = config_.scratch_path] {
    return remove_container_files(bundle, scratch);
  };
  const auto cleaned = co_await context_.offload.call<void>(clean);
  discard(advance(ContainerEvent::delete_done), "deleting is where it is");
  co_return cleaned;
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
