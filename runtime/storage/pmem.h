#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/storage/device_mapper.h"

/// Layers in memory that the host maps into the VM (VPMem), one a device or many of them packed into one.
namespace gcs::storage {

/// A part of a device.
struct PmemPart {
  uint64_t offset = 0;  ///< bytes
  uint64_t size = 0;
};

std::string pmem_node(const SystemRoots& roots, uint32_t device);

/// "dm-linear-pmem<n>-<offset>-<size>"
std::string linear_name(uint32_t device, const PmemPart& part);

/// The part as a device of its own; `invalid_argument` for what is not whole sectors.
Result<Mapping> linear_mapping(const SystemRoots& roots, uint32_t device, const PmemPart& part);

}  // namespace gcs::storage
