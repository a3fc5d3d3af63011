#pragma once

#include <string>

#include "runtime/storage/device_mapper.h"
#include "runtime/storage/scsi_device.h"

/// What mapped devices are called: for the disk that they stand on, so that the kernel's list says what is to be
/// closed.
namespace gcs::storage {

/// "scsi-contr<host>-lun<lun>-p<partition>", with the kernel's number of the controller.
std::string scsi_part(unsigned host, const ScsiAddress& address);

/// "pmem<n>"
std::string pmem_part(uint32_t device);

std::string crypt_name(const std::string& part);                                   ///< "dm-crypt-…"
std::string integrity_name(const std::string& part);                               ///< "dm-integrity-…"
std::string verity_name(const std::string& part, const std::string& root_digest);  ///< "dm-verity-…-<digest>"

/// Removes what is mapped for a part; nothing is success. Blocking.
Result<> close_mappings(DeviceMapper& mapper, const std::string& part);

}  // namespace gcs::storage
