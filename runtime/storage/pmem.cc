#include "runtime/storage/pmem.h"

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

}  // namespace gcs::storage
