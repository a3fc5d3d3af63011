#include "runtime/storage/pmem.h"

#include "runtime/storage/device_mount.h"
#include "runtime/storage/mapping_names.h"

namespace gcs::storage {
namespace {

constexpr uint64_t kSector = 512;

}  // namespace

std::string pmem_node(const SystemRoots& roots, uint32_t device) {
  return roots.dev + "/pmem" + std::to_string(device);
}

std::string linear_name(uint32_t device, const PmemPart& part) {
  return "dm-linear-pmem" + std::to_string(device) + "-" + std::to_string(part.offset) + "-" +
         std::to_string(part.size);
}

Result<Mapping> linear_mapping(const SystemRoots& roots, uint32_t device, const PmemPart& part) {
  if (part.size == 0 || part.size % kSector != 0) {
    return Error(Errc::invalid_argument, "MappingInfo.DeviceSizeInBytes: is no multiple of 512");
  }
  if (part.offset % kSector != 0) {
    return Error(Errc::invalid_argument, "MappingInfo.DeviceOffsetInBytes: is no multiple of 512");
  }
  Mapping mapping;
  mapping.name = linear_name(device, part);
  mapping.type = "linear";
  mapping.sectors = part.size / kSector;
  mapping.read_only = true;
  mapping.parameters = pmem_node(roots, device) + " " + std::to_string(part.offset / kSector);
  return mapping;
}

Result<> mount_pmem(const SystemRoots& roots, DeviceMapper& mapper, const Pmem& pmem) {
  DeviceMount mount;
  mount.node = pmem_node(roots, pmem.device);
  mount.target = pmem.target;
  mount.filesystem = "ext4";
  mount.read_only = true;
  if (!pmem.part && !pmem.verity) return mount_device(mount);
  Result<Mapping> mapping = Mapping();
  if (pmem.part) {
    mapping = linear_mapping(roots, pmem.device, *pmem.part);
  } else {
    const auto settings = complete_verity(mount.node, *pmem.verity);
    if (!settings) return settings.error();
    mapping = verity_mapping(verity_name(pmem_part(pmem.device), settings->root_digest), mount.node, *settings);
  }
  if (!mapping) return mapping.error();
  auto node = mapper.create(*mapping);
  if (!node) return node.error();
  mount.node = std::move(*node);
  const auto mounted = mount_device(mount);
  if (!mounted) discard(mapper.remove(mapping->name), "undoing");
  return mounted;
}

Result<> unmount_pmem(DeviceMapper& mapper, const Pmem& pmem) {
  const auto unmounted = unmount_device(pmem.target);
  if (!unmounted) return unmounted;
  if (pmem.part) return mapper.remove(linear_name(pmem.device, *pmem.part));
  return close_mappings(mapper, pmem_part(pmem.device));
}

}  // namespace gcs::storage
