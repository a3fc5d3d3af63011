#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/storage/device_mapper.h"
#include "runtime/storage/verity.h"

/// Layers in memory that the host maps into the VM (VPMem), one a device or many of them packed into one.
namespace gcs::storage {

/// A part of a device.
struct PmemPart {
  uint64_t offset = 0;  ///< bytes
  uint64_t size = 0;
};

/// A device of memory, or a part of it, as a host wants it at a path of the VM: ext4, read-only.
struct Pmem {
  uint32_t device = 0;
  std::string target;
  std::optional<PmemPart> part;
  std::optional<VeritySettings> verity;
};

std::string pmem_node(const SystemRoots& roots, uint32_t device);

/// "dm-linear-pmem<n>-<offset>-<size>"
std::string linear_name(uint32_t device, const PmemPart& part);

/// The part as a device of its own; `invalid_argument` for what is not whole sectors.
Result<Mapping> linear_mapping(const SystemRoots& roots, uint32_t device, const PmemPart& part);

/// Mounts it, where asked for through a mapping, which goes again when the mount fails. Blocking.
Result<> mount_pmem(const SystemRoots& roots, DeviceMapper& mapper, const Pmem& pmem);

/// Takes away the mount and its mapping. Blocking.
Result<> unmount_pmem(DeviceMapper& mapper, const Pmem& pmem);

}  // namespace gcs::storage
