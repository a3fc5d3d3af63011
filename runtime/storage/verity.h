#pragma once

#include <cstdint>
#include <string>

#include "runtime/storage/device_mapper.h"

/// dm-verity: a device that is read only through a tree of hashes, whose root the host knows. The tree stands behind
/// the file system on the same device.
namespace gcs::storage {

struct VeritySettings {
  uint64_t data_bytes = 0;  ///< of the file system, and so where the tree, or its superblock, begins
  uint32_t version = 0;     ///< of the hash format
  uint32_t block_size = 0;  ///< of data and hashes
  std::string algorithm;    ///< as "sha256"
  std::string salt;         ///< in hexadecimal; empty: none
  std::string root_digest;  ///< in hexadecimal
  bool superblock = false;  ///< a block before the tree tells what is left open above
};

/// Fills in what the settings leave open from the superblocks of the file system and of the tree. Blocking. The root
/// digest is never taken from the device: it would vouch for itself.
Result<VeritySettings> complete_verity(const std::string& node, VeritySettings settings);

/// The same from the bytes of a verity superblock.
Result<VeritySettings> read_verity_superblock(std::string_view bytes, VeritySettings settings);

/// The mapping, from complete settings; `invalid_argument` names the one that is off.
Result<Mapping> verity_mapping(const std::string& name, const std::string& node, const VeritySettings& settings);

}  // namespace gcs::storage
