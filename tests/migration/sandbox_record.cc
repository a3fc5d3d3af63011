#include "tests/migration/sandbox_record.h"

#include <nlohmann/json.hpp>
#include <set>

#include "proto/save/linuxcontainer.pb.h"
#include "proto/save/pod.pb.h"
#include "proto/save/process.pb.h"
#include "proto/save/vm.pb.h"
#include "tests/host/json_value.h"
#include "tests/host/oci_spec.h"
#include "tests/migration/pack.h"

namespace gcs::migration {
namespace {

namespace controller = hcsshim::controller;
using SavedVm = controller::vm::save::v1::Payload;
using SavedPod = controller::pod::save::v1::Payload;
using SavedContainer = controller::linuxcontainer::save::v1::Payload;
using SavedProcess = controller::process::save::v1::Payload;

/// Of a container whose host did not say where it is.
std::string usual_rootfs(const std::string& id) {
  host::ContainerSpec usual;
  usual.id = id;
  return usual.rootfs();
}

SavedProcess process_payload(const ContainerRecord& record) {
  SavedProcess process;
  process.set_schema_version(kSchemaVersion);
  process.set_pid(static_cast<int32_t>(record.init.pid));
  host::json spec = host::json::object();
  spec["terminal"] = record.terminal;
  process.set_oci_process_spec_json(host::to_text(spec));
  process.set_stdin_port(record.init.ports.in);
  process.set_stdout_port(record.init.ports.out);
  process.set_stderr_port(record.init.ports.err);
  process.set_wait_call_id(record.init.wait_id);
  return process;
}

SavedContainer container_payload(const ContainerRecord& record) {
  SavedContainer container;
  container.set_schema_version(kSchemaVersion);
  container.set_container_id(record.id);
  container.set_gcs_container_id(record.id);
  auto& layers = *container.mutable_layers();
  for (const std::string& path : record.layers) layers.add_ro_layers()->set_guest_path(path);
  if (!record.scratch.empty()) layers.mutable_scratch()->set_guest_path(record.scratch);
  layers.set_layers_combined(true);
  layers.set_rootfs_path(record.rootfs);
  (*container.mutable_processes())[""] = pack(process_payload(record));
  return container;
}

Result<ContainerRecord> read_container(const google::protobuf::Any& packed) {
  const auto container = unpack<SavedContainer>(packed, "container");
  if (!container) return container.error();
  ContainerRecord record;
  record.id = container->gcs_container_id();
  const std::string what = "container \"" + record.id + "\"";
  if (record.id.empty()) return Error(Errc::invalid_argument, "container: gcs_container_id is missing");
  if (container->processes().size() != 1 || !container->processes().contains("")) {
    return Error(Errc::invalid_argument, what + ": processes must be its init process alone");
  }
  const auto process = unpack<SavedProcess>(container->processes().at(""), "process");
  if (!process) return process.error().within(what);
  if (process->pid() <= 0) return Error(Errc::invalid_argument, what + ": pid is missing");
  if (process->wait_call_id() <= 0) return Error(Errc::invalid_argument, what + ": wait_call_id is missing");
  for (const auto& layer : container->layers().ro_layers()) record.layers.push_back(layer.guest_path());
  record.scratch = container->layers().scratch().guest_path();
  record.rootfs = container->layers().rootfs_path();
  if (record.rootfs.empty()) record.rootfs = usual_rootfs(record.id);
  const auto spec = host::parse_json(process->oci_process_spec_json());
  const host::json* terminal = spec ? host::member(*spec, "terminal") : nullptr;
  record.terminal = terminal != nullptr && *terminal == true;
  record.init.container = record.id;
  record.init.pid = static_cast<uint32_t>(process->pid());
  record.init.ports = {process->stdin_port(), process->stdout_port(), process->stderr_port()};
  record.init.wait_id = process->wait_call_id();
  return record;
}

}  // namespace

save::Payload to_payload(const SandboxRecord& record) {
  SavedVm vm;
  vm.set_schema_version(kSchemaVersion);
  vm.set_vm_id(record.vm_id);
  vm.set_hcs_document(record.vm_document);
  vm.set_gcs_next_port(record.next_port);
  vm.set_bridge_next_id(record.next_id);
  save::Payload payload;
  payload.set_schema_version(kSchemaVersion);
  *payload.mutable_vm() = pack(vm);
  for (const ContainerRecord& container : record.containers) {
    SavedPod pod;
    pod.set_schema_version(kSchemaVersion);
    pod.set_pod_id(container.id);
    pod.set_gcs_pod_id(container.id);
    *pod.add_containers() = pack(container_payload(container));
    *payload.add_pods() = pack(pod);
  }
  return payload;
}

Result<SandboxRecord> from_payload(const save::Payload& payload) {
  const auto vm = unpack<SavedVm>(payload.vm(), "vm");
  if (!vm) return vm.error();
  SandboxRecord record;
  record.vm_id = vm->vm_id();
  record.vm_document = vm->hcs_document();
  record.next_id = vm->bridge_next_id();
  record.next_port = vm->gcs_next_port();
  if (record.next_id <= 0) return Error(Errc::invalid_argument, "vm: bridge_next_id is missing");
  std::set<std::string> ids;
  for (const auto& packed : payload.pods()) {
    const auto pod = unpack<SavedPod>(packed, "pod");
    if (!pod) return pod.error();
    for (const auto& inner : pod->containers()) {
      auto container = read_container(inner);
      if (!container) return container.error().within("pod \"" + pod->gcs_pod_id() + "\"");
      if (!ids.insert(container->id).second) {
        return Error(Errc::invalid_argument, "container \"" + container->id + "\" is in two pods");
      }
      record.containers.push_back(std::move(*container));
    }
  }
  return record;
}

}  // namespace gcs::migration
