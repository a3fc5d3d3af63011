// How a container comes to be, and how all of that is taken back when a step fails.

#include <nlohmann/json.hpp>

#include "runtime/assigned_devices.h"
#include "runtime/bundle.h"
#include "runtime/container.h"
#include "runtime/held_volumes.h"
#include "runtime/memory_watch.h"
#include "runtime/oci_spec.h"
#include "runtime/safe_path.h"
#include "runtime/spec_edit.h"
#include "runtime/spec_json.h"
#include "runtime/stdio_pipes.h"
#include "runtime/tee_file.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

constexpr const char* kSkipNetworking = "io.microsoft.cri.skip-pod-networking";

/// "true" in any case, and no other word: hosts compare it so.
bool skips_networking(const Json& spec) {
  std::string value = annotation(spec, kSkipNetworking).value_or("");
  for (char& c : value) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c;
  return value == "true";
}

Result<> write_all(const std::string& bundle, const std::string& config, const ContainerTraits& traits, bool in_pod) {
  const std::vector<BundleFile> none;
  const auto written = write_bundle(bundle, config, in_pod ? none : traits.files);
  if (!written || traits.logs_dir.empty()) return written;
  const auto made = make_log_dirs(traits.logs_dir, traits.tee_log);
  if (made) return made;
  discard(remove_bundle(bundle), "undoing");
  return made.error().within("tee log");
}

void report_undone(const std::string& id, const Error& error) {
  log::warn("container not undone whole", {{"cid", id}, {"error", error.message()}});
}

}  // namespace

io::Task<Result<>> Container::create() {
  auto made = co_await create_parts();
  config_.spec.reset();  // what is still needed of it is in traits_
  config_.security = {};
  if (!made) {
    co_await undo_create();
    discard(advance(ContainerEvent::create_failed), "creating is where it is");
    co_return made;
  }
  discard(advance(ContainerEvent::create_done), "creating is where it is");
  if (placement_.kind == ContainerKind::sandbox) pods_.made(pod_);
  context_.group.spawn(id() + " init", run_init(shared_from_this()));
  MemoryWatchContext watch{context_.stdio.engine, context_.stdio.clock, context_.offload, context_.cgroups};
  WatchedMemory watched{traits_.cgroups_path, id(), std::nullopt};
  memory_watch_ = context_.group.spawn(id() + " memory watch", watch_memory(watch, std::move(watched)));
  co_return made;
}

io::Task<Result<>> Container::create_parts() {
  const auto checked = check_bundle_path(config_.bundle_path);
  if (!checked) co_return checked;
  config_.bundle_path = *clean_path("OciBundlePath", config_.bundle_path);
  const auto removable = check_scratch_path(config_.scratch_path);
  if (!removable) co_return removable;
  const auto entered = enter_pod();
  if (!entered) co_return entered;
  const auto network = find_network();
  if (!network) co_return network;
  const auto prepared = co_await prepare();
  if (!prepared) co_return prepared;
  const auto written = co_await write_files();
  if (!written) co_return written;
  const auto created = co_await create_process();
  if (!created) co_return created;
  const auto released = co_await release_held();
  if (!released) co_return released;
  co_return co_await attach_network();
}

Result<> Container::enter_pod() {
  const auto placed = place_container(id(), kind_annotations(*config_.spec));
  if (!placed) return placed.error();
  placement_ = *placed;
  if (placement_.kind == ContainerKind::standalone) return {};
  const auto pod = placement_.kind == ContainerKind::sandbox
                       ? pods_.begin(placement_.pod_id, config_.bundle_path, placement_.in_virtual_pod)
                       : pods_.join(placement_.pod_id, id());
  if (!pod) return pod.error();
  pod_ = *pod;
  return {};
}

/// A sandbox's namespace was announced by its adapters, unless it is to have none, or gets them later. Others of
/// virtual pods and standalone containers come as they are named. A workload has its sandbox's.
Result<> Container::find_network() {
  if (placement_.kind == ContainerKind::workload) return {};
  const std::string ns = network_namespace_of(*config_.spec);
  if (ns.size() > network::Namespaces::kMaxIdLength) {
    return Error(Errc::invalid_argument, "OciSpecification.windows.network.networkNamespace: too long");
  }
  const bool sandbox = placement_.kind == ContainerKind::sandbox;
  if (!sandbox || skips_networking(*config_.spec) || placement_.in_virtual_pod) {
    if (!ns.empty()) context_.networks.ensure(ns);
    expected_network_ = ns;
    return {};
  }
  if (!ns.empty() && context_.networks.knows(ns)) return {};
  return Error(Errc::namespace_not_found,
               "the sandbox's network namespace \"" + ns.substr(0, 64) + "\" does not exist");
}

io::Task<Result<>> Container::prepare() {
  const std::string ns = network_namespace_of(*config_.spec);
  NetworkNames names = names_of_vm();
  names.dns = context_.networks.dns_of(ns);
  SpecPlace place{id(),  config_.bundle_path, placement_, pod_ == nullptr ? PodPaths(config_.bundle_path) : pod_->paths,
                  false, std::move(names),    {}};
  place.security = config_.security;
  if (placement_.kind == ContainerKind::workload) {
    place.pod_host_network = pod_->host_network;
    const DevicePaths devices;
    auto assigned = co_await find_assigned_devices(context_.offload, context_.stdio.executor, context_.stdio.clock,
                                                   *config_.spec, devices);
    if (!assigned) co_return assigned.error();
    place.assigned = std::move(*assigned);
  }
  std::function<Result<PreparedSpec>()> job = [spec = config_.spec, place = std::move(place)] {
    return prepare_spec(*spec, place);
  };
  auto prepared = co_await context_.offload.call<PreparedSpec>(std::move(job));
  if (!prepared) co_return prepared.error();
  traits_ = std::move(prepared->traits);
  holds_volumes_ = prepared->holds_volumes;
  co_return Result<>();
}

/// The runtime has mounted what was held for it, or never will.
io::Task<Result<>> Container::release_held() {
  if (!std::exchange(holds_volumes_, false)) co_return Result<>();
  std::function<Result<>()> job = [dir = volumes_dir(config_.bundle_path)] { return release_volumes(dir); };
  co_return co_await context_.offload.call<void>(std::move(job));
}

/// The pod's, then the bundle.
io::Task<Result<>> Container::write_files() {
  const bool sandbox = placement_.kind == ContainerKind::sandbox;
  if (sandbox) {
    pod_->host_network = traits_.host_network;
    auto limits = limits_of(member(member(*config_.spec, "linux"), "resources"));
    if (!limits) co_return limits.error().within("OciSpecification");
    const auto furnished = co_await pods_.furnish(pod_, traits_.files, std::move(*limits));
    if (!furnished) co_return furnished;
  }
  std::function<Result<>()> job = [bundle = config_.bundle_path, config = spec_text(*config_.spec), traits = traits_,
                                   sandbox] { return write_all(bundle, config, traits, sandbox); };
  const auto written = co_await context_.offload.call<void>(std::move(job));
  has_files_ = static_cast<bool>(written);
  co_return written;
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
io::Task<Result<>> Container::attach_network() {
  if (traits_.network_namespace.empty()) co_return Result<>();
  network::Attachment here;
  here.pid = init_->pid();
  here.host_network = traits_.host_network;
  const std::string& files = pod_ == nullptr ? config_.bundle_path : pod_->paths.root;
  for (const BundleFile& file : traits_.files) {
    if (file.name == "resolv.conf") here.resolv_conf = files + "/" + file.name;
  }
  const auto attached = co_await context_.networks.attach(traits_.network_namespace, std::move(here));
  has_network_ = static_cast<bool>(attached);
  if (!attached) co_return attached.error().within("network of container " + id());
  co_return attached;
}

io::Task<> Container::undo_create() {
  // Others' adapters, and another container's pod, stay in it.
  if (!expected_network_.empty()) co_await context_.networks.detach(expected_network_, 0);
  const auto released = co_await release_held();
  if (!released) report_undone(id(), released.error());
  if (has_files_) discard(co_await context_.oci.remove(id(), true), "the runtime may have made nothing");
  if (!traits_.security_dir.empty()) {
    std::function<Result<>()> hide = [rootfs = traits_.rootfs, dir = traits_.security_dir] {
      return remove_security_context(rootfs, dir);
    };
    const auto hidden = co_await context_.offload.call<void>(std::move(hide));
    if (!hidden) report_undone(id(), hidden.error());
  }
  if (placement_.kind == ContainerKind::sandbox && pod_ != nullptr) {
    const auto abandoned = co_await pods_.abandon(pod_, config_.bundle_path);
    if (!abandoned) report_undone(id(), abandoned.error());
    co_return;
  }
  if (has_files_) {
    std::function<Result<>()> job = [bundle = config_.bundle_path] { return remove_bundle(bundle); };
    const auto removed = co_await context_.offload.call<void>(std::move(job));
    if (!removed) report_undone(id(), removed.error());
  }
  if (pod_ == nullptr) co_return;
  const auto left = co_await pods_.leave(pod_, id());
  if (!left) report_undone(id(), left.error());
}

}  // namespace gcs::runtime
