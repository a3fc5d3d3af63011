#include "tests/migration/saved_sandbox.h"

#include <set>

#include "proto/save/linuxcontainer.pb.h"
#include "proto/save/network.pb.h"
#include "proto/save/pod.pb.h"
#include "proto/save/process.pb.h"
#include "proto/save/scsi.pb.h"
#include "proto/save/vm.pb.h"

namespace gcs::migration {
namespace {

using google::protobuf::Any;
namespace controller = hcsshim::controller;

std::string element(const std::string& field, int index) {
  return field + "[" + std::to_string(index) + "]";
}

Result<> check_vm(const save::Payload& sandbox, const std::string& field) {
  if (!sandbox.has_vm()) return Error(Errc::invalid_argument, field + " is required");
  const auto vm = unpack<controller::vm::save::v1::Payload>(sandbox.vm(), field);
  if (!vm) return vm.error();
  if (!vm->has_scsi()) return {};
  const auto scsi = unpack<controller::scsi::save::v1::Payload>(vm->scsi(), field + ".scsi");
  if (!scsi) return scsi.error();
  return {};
}

Result<> check_container(const Any& packed, const std::string& field, std::set<std::string>& seen) {
  const auto container = unpack<controller::linuxcontainer::save::v1::Payload>(packed, field);
  if (!container) return container.error();
  const std::string& id = container->container_id();
  if (id.empty()) return Error(Errc::invalid_argument, field + ".container_id is required");
  if (!seen.insert(id).second) {
    return Error(Errc::invalid_argument, field + ".container_id: \"" + id + "\" is there twice");
  }
  for (const auto& [exec_id, process] : container->processes()) {
    const auto checked =
        unpack<controller::process::save::v1::Payload>(process, field + ".processes[\"" + exec_id + "\"]");
    if (!checked) return checked.error();
  }
  return {};
}

Result<> check_pod(const Any& packed, const std::string& field, std::set<std::string>& seen) {
  const auto pod = unpack<controller::pod::save::v1::Payload>(packed, field);
  if (!pod) return pod.error();
  if (pod->has_network()) {
    const auto network = unpack<controller::network::save::v1::Payload>(pod->network(), field + ".network");
    if (!network) return network.error();
  }
  for (int index = 0; index < pod->containers_size(); ++index) {
    const auto checked = check_container(pod->containers(index), element(field + ".containers", index), seen);
    if (!checked) return checked.error();
  }
  return {};
}

}  // namespace

Result<save::Payload> unpack_sandbox(const Any& config) {
  auto sandbox = unpack<save::Payload>(config, "config");
  if (!sandbox) return sandbox.error();
  const auto vm = check_vm(*sandbox, "config.vm");
  if (!vm) return vm.error();
  std::set<std::string> seen;
  for (int index = 0; index < sandbox->pods_size(); ++index) {
    const auto pod = check_pod(sandbox->pods(index), element("config.pods", index), seen);
    if (!pod) return pod.error();
  }
  return sandbox;
}

}  // namespace gcs::migration
