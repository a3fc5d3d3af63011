#include "runtime/storage/mapping_names.h"

namespace gcs::storage {

std::string scsi_part(unsigned host, const ScsiAddress& address) {
  return "scsi-contr" + std::to_string(host) + "-lun" + std::to_string(address.lun) + "-p" +
         std::to_string(address.partition);
}

std::string pmem_part(uint32_t device) {
  return "pmem" + std::to_string(device);
}

std::string crypt_name(const std::string& part) {
  return "dm-crypt-" + part;
}

std::string integrity_name(const std::string& part) {
  return "dm-integrity-" + part;
}

std::string verity_name(const std::string& part, const std::string& root_digest) {
  // The kernel's names have 127 bytes; 64 digits of a digest are SHA-256's.
  return "dm-verity-" + part + "-" + root_digest.substr(0, 64);
}

Result<> close_mappings(DeviceMapper& mapper, const std::string& part) {
  const auto names = mapper.names();
  if (!names) return names.error();
  // What stands on another is closed first.
  const std::string verity = verity_name(part, "");
  for (const std::string& wanted : {verity, crypt_name(part), integrity_name(part)}) {
    for (const std::string& name : *names) {
      if (name != wanted && (wanted != verity || !name.starts_with(verity))) continue;
      const auto removed = mapper.remove(name);
      if (!removed) return removed;
    }
  }
  return {};
}

}  // namespace gcs::storage
