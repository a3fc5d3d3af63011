#include "runtime/spec_edit.h"

#include <unistd.h>

#include <algorithm>

#include "runtime/held_volumes.h"
#include "runtime/oci_spec.h"
#include "runtime/resource_update.h"
#include "runtime/safe_path.h"
#include "runtime/spec_devices.h"
#include "runtime/spec_gpu.h"
#include "runtime/spec_host_files.h"
#include "runtime/spec_json.h"
#include "runtime/spec_mounts.h"
#include "runtime/spec_process.h"
#include "runtime/spec_shm.h"
#include "runtime/tee_file.h"

namespace gcs::runtime {
namespace {

constexpr const char* kHostNetwork = "io.microsoft.virtualmachine.lcow.hostnetwork";
constexpr const char* kPrivileged = "io.microsoft.virtualmachine.lcow.privileged";
constexpr const char* kCoreLimit = "io.microsoft.lcow.rlimitcore";
constexpr const char* kTeeLogPath = "io.microsoft.container.lcow.tee-log-path";
constexpr const char* kTeeLogDirMount = "io.microsoft.container.lcow.tee-log-dir-mount";
constexpr const char* kDevices = "/dev";

void remove_network_namespace(Json& spec) {
  Json& namespaces = array_member(object_member(spec, "linux"), "namespaces");
  Json kept = Json::array();
  for (Json& one : namespaces) {
    if (string_member(one, "type") != "network") kept.push_back(std::move(one));
  }
  namespaces = std::move(kept);
}

/// No limit is what a new cgroup has, and not every OCI runtime can say it (resource_update.h).
void drop_unlimited_quota(Json& spec) {
  const Json& resources = member(member(spec, "linux"), "resources");
  if (lifts_quota(resources)) spec["linux"]["resources"]["cpu"].erase("quota");
}

std::string text_of(const Json& value) {
  return value.is_null() ? std::string() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

Result<> edit_standalone(Json& spec, const SpecPlace& place, ContainerTraits& traits) {
  auto files = host_files(spec, place.names);
  if (!files) return files.error();
  const auto mounted = mount_host_files(spec, place.bundle_path);
  for (BundleFile& file : *files) {
    if (std::find(mounted.begin(), mounted.end(), file.name) != mounted.end()) traits.files.push_back(std::move(file));
  }
  return {};
}

/// The two that sandboxes and workloads have in common.
Result<> edit_process(Json& spec, const ContainerTraits& traits) {
  Json& process = spec["process"];
  const auto core = annotation(spec, kCoreLimit);
  if (core && !core->empty()) {
    const auto limited = limit_core(process, *core);
    if (!limited) return limited;
  }
  return find_named_user(process, traits.rootfs, "OciSpecification.process");
}

Result<> edit_sandbox(Json& spec, const SpecPlace& place, ContainerTraits& traits) {
  auto files = host_files(spec, place.names);
  if (!files) return files.error();
  traits.files = std::move(*files);
  return edit_process(spec, traits);
}

Result<> edit_devices(Json& spec, const SpecPlace& place, const ContainerTraits& traits) {
  if (annotation_flag(spec, kPrivileged, false)) {
    add_all_devices(spec, devices_below(kDevices));
  } else {
    const auto taken = take_devices_of_vm(spec);
    if (!taken) return taken;
  }
  const auto gpus = add_gpus(spec, place.bundle_path, traits.rootfs);
  if (!gpus) return gpus;
  for (const DeviceNode& node : place.assigned) add_device(spec, node);
  return {};
}

Result<> edit_workload(Json& spec, const SpecPlace& place, PreparedSpec& prepared) {
  const std::string hostname = string_member(spec, "hostname");
  if (!hostname.empty()) {
    return Error(Errc::unsupported, "workload container must not change hostname: " + hostname.substr(0, 64));
  }
  const auto held = resolve_mounts(spec, place.pod, volumes_dir(place.bundle_path));
  if (!held) return held.error();
  prepared.holds_volumes = *held;
  mount_host_files(spec, place.pod.root);
  const auto shm = size_shm(spec);
  if (!shm) return shm;
  const auto process = edit_process(spec, prepared.traits);
  if (!process) return process;
  return edit_devices(spec, place, prepared.traits);
}

Result<> edit_kind(Json& spec, const SpecPlace& place, PreparedSpec& prepared) {
  switch (place.placement.kind) {
    case ContainerKind::standalone: return edit_standalone(spec, place, prepared.traits);
    case ContainerKind::sandbox: return edit_sandbox(spec, place, prepared.traits);
    case ContainerKind::workload: return edit_workload(spec, place, prepared);
  }
  return Error(Errc::internal, "a kind of container that cannot be");
}

Result<> edit_logs(Json& spec, const SpecPlace& place, ContainerTraits& traits) {
  const std::string path = annotation(spec, kTeeLogPath).value_or("");
  const std::string shown = annotation(spec, kTeeLogDirMount).value_or("");
  if (path.empty() && shown.empty()) return {};
  traits.logs_dir = place.pod.logs;
  if (!path.empty()) {
    auto clean = check_tee_path(kTeeLogPath, path);
    if (!clean) return clean.error();
    traits.tee_log = std::move(*clean);
  }
  if (shown.empty()) return {};
  const auto destination = clean_path(kTeeLogDirMount, shown);
  if (!destination) return destination.error();
  add_bind(spec, place.pod.logs, *destination, false);
  return {};
}

Result<> prepare(Json& spec, const SpecPlace& place, PreparedSpec& prepared) {
  const auto checked = check_spec(spec);
  if (!checked) return checked;
  const auto hooks = check_hooks(spec);
  if (!hooks) return hooks;
  ContainerTraits& traits = prepared.traits;
  const bool workload = place.placement.kind == ContainerKind::workload;
  traits.terminal = has_terminal(spec["process"]);
  traits.owns_pid_namespace = owns_pid_namespace(spec);
  traits.host_network = workload ? place.pod_host_network : annotation_flag(spec, kHostNetwork, false);
  traits.network_namespace = workload ? std::string() : network_namespace_of(spec);
  traits.rootfs = rootfs_of(spec, place.bundle_path);
  const bool standalone = place.placement.kind == ContainerKind::standalone;
  traits.cgroups_path = "/pods/" + (standalone ? place.id : place.placement.pod_id + "/" + place.id);

  const auto edited = edit_kind(spec, place, prepared);
  if (!edited) return edited;
  const auto logs = edit_logs(spec, place, traits);
  if (!logs) return logs;
  if (traits.host_network) remove_network_namespace(spec);
  drop_unlimited_quota(spec);
  spec["linux"]["cgroupsPath"] = traits.cgroups_path;
  spec.erase("windows");
  // Last, for these are of what the init process gets.
  traits.rlimits = text_of(member(spec["process"], "rlimits"));
  traits.user = text_of(named_user_of(spec["process"]));
  auto shown = show_security_context(spec, traits.rootfs, place.security ? *place.security : SecurityTexts());
  if (!shown) return shown.error();
  traits.security_dir = std::move(*shown);
  return {};
}

}  // namespace

std::string volumes_dir(const std::string& bundle_path) {
  return bundle_path + "/volumes";
}

Result<PreparedSpec> prepare_spec(Json& spec, const SpecPlace& place) {
  PreparedSpec prepared;
  const auto done = prepare(spec, place, prepared);
  if (done) return prepared;
  if (prepared.holds_volumes) discard(release_volumes(volumes_dir(place.bundle_path)), "undoing");
  ::rmdir(place.bundle_path.c_str());  // where nothing else is in it, it was made for the volumes
  return done.error();
}

}  // namespace gcs::runtime
