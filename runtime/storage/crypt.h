#pragma once

#include <string>

#include "runtime/storage/device_mapper.h"

/// An encrypted disk whose key nobody has: for scratches, which need not outlive their VM. Blocking.
namespace gcs::storage {

/// Overwrites what is on `node`. dm-integrity keeps a tag beside each block of 4 KiB, and dm-crypt above it writes with
/// AES-256-XTS and authenticates with HMAC-SHA-256, sector and all: a block that the host has changed, or put
/// elsewhere, cannot be read. The key is random, goes to the kernel alone, and ends with the mapping. A block that was
/// never written has no valid tag and cannot be read; the first and the last MiB are therefore zeroed, where programs
/// look first.
///
/// Gives the node of the device `crypt`; `integrity` is the name of the one below. Whatever fails is undone.
Result<std::string> encrypt_device(DeviceMapper& mapper, const std::string& node, const std::string& crypt,
                                   const std::string& integrity);

/// Removes both; those that are not there are success.
Result<> close_encrypted(DeviceMapper& mapper, const std::string& crypt, const std::string& integrity);

}  // namespace gcs::storage
