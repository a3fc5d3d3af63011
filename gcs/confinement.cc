#include "gcs/confinement.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/container_kind.h"
#include "runtime/oci_fields.h"

namespace gcs {
namespace {

constexpr std::string_view kContainers = "/run/gcs/c/";

bool is_hex_id(std::string_view id) {
  auto is_hex = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); };
  return id.size() == 64 && std::ranges::all_of(id, is_hex);
}

std::string scratch_of(std::string_view owner, const std::string& container) {
  return confined_bundle(owner) + "/scratch/" + container;
}

Result<> check_path(std::string_view field, const std::string& path, const std::string& expected) {
  if (path == expected) return {};
  return Error(Errc::invalid_argument, std::string(field) + ": the policy wants " + expected);
}

}  // namespace

std::string confined_bundle(std::string_view id) {
  return std::string(kContainers).append(id);
}

std::string confined_rootfs(std::string_view id) {
  return confined_bundle(id) + "/rootfs";
}

std::string container_of_rootfs(std::string_view path) {
  const std::string_view id = path.substr(std::min(path.size(), kContainers.size()), 64);
  return is_hex_id(id) && path == confined_rootfs(id) ? std::string(id) : std::string();
}

Result<> check_confined_id(std::string_view field, std::string_view id) {
  if (id == bridge::kNullId || is_hex_id(id)) return {};
  return Error(Errc::invalid_argument, std::string(field) + ": the policy wants 64 hexadecimal digits");
}

Result<> check_confined(const bridge::Create& create) {
  const std::string& id = create.base.container_id;
  const auto valid = check_confined_id("ContainerId", id);
  if (!valid) return valid;
  const nlohmann::json& spec = *create.spec;
  const auto placed = runtime::place_container(id, runtime::kind_annotations(spec));
  if (!placed) return placed.error();
  const auto valid_pod = check_confined_id("the pod's id in OciSpecification.annotations", placed->pod_id);
  if (!valid_pod) return valid_pod;

  const std::string bundle = confined_bundle(id);
  const auto at_bundle = check_path("OciBundlePath", create.bundle_path, bundle);
  if (!at_bundle) return at_bundle;
  const auto path = spec["root"].find("path");
  const bool is_text = path != spec["root"].end() && path->is_string();
  const auto at_rootfs =
      check_path("OciSpecification.root.path", is_text ? path->get<std::string>() : "", confined_rootfs(id));
  if (!at_rootfs) return at_rootfs;
  if (create.scratch_path != scratch_of(placed->pod_id, id)) {
    const auto at_scratch = check_path("ScratchDirPath", create.scratch_path, scratch_of(id, id));
    if (!at_scratch) return at_scratch;
  }
  const auto hooks = spec.find("hooks");
  if (hooks != spec.end() && !hooks->is_null()) {
    return Error(Errc::unsupported, "OciSpecification.hooks: the policy forbids them");
  }
  return runtime::check_known_fields(spec);
}

Result<> check_confined(const bridge::ExecuteProcess& execute) {
  if (execute.oci_process == nullptr) return {};
  return runtime::check_known_process_fields(*execute.oci_process);
}

Result<> check_confined_resources(const nlohmann::json& settings) {
  const auto resources = settings.find("Linux");
  if (resources == settings.end()) return {};
  return runtime::check_known_resource_fields(*resources);
}

Result<> check_confined(const bridge::MappedVirtualDisk& disk, bool adds) {
  if (disk.read_only && !disk.filesystem.empty() && disk.filesystem != "ext4") {
    return Error(Errc::unsupported, "Filesystem: the policy wants ext4 on a read-only disk");
  }
  if (!adds || disk.mount_path.empty()) return {};
  const std::vector<std::string> expected(disk.read_only ? 1 : 0, "ro");
  if (disk.options == expected) return {};
  return Error(Errc::unsupported, std::string("Options: the policy wants ") + (disk.read_only ? "ro" : "none") +
                                      " on a disk that is " + (disk.read_only ? "" : "not ") + "ReadOnly");
}

Result<> check_confined(const bridge::VpmemDevice& device) {
  if (!device.mapped) return {};
  return Error(Errc::unsupported, "MappingInfo: the policy forbids parts of devices");
}

Result<> check_confined(const bridge::MappedDirectory& directory) {
  const std::string& name = directory.share_name;
  if (!name.empty() && std::ranges::all_of(name, [](char c) { return c >= '0' && c <= '9'; })) return {};
  return Error(Errc::invalid_argument, "ShareName: the policy wants digits");
}

Result<> check_confined(const bridge::CombinedLayers& layers, bool adds) {
  if (!adds) return {};
  const auto valid = check_confined_id("ContainerID", layers.container_id);
  if (!valid) return valid;
  const auto at_rootfs = check_path("ContainerRootPath", layers.root_path, confined_rootfs(layers.container_id));
  if (!at_rootfs || layers.scratch_path.empty()) return at_rootfs;
  // Whose sandbox it is shows at the creation only.
  const std::string_view path = layers.scratch_path;
  const std::string_view owner = path.substr(std::min(path.size(), kContainers.size()), 64);
  if (is_hex_id(owner) && path == scratch_of(owner, layers.container_id)) return {};
  return check_path("ScratchPath", layers.scratch_path, scratch_of("ID", layers.container_id));
}

}  // namespace gcs
