#pragma once

#include <cstdint>
#include <string>

#include "runtime/storage/device_mapper.h"

/// dm-verity: a device that is read only through a tree of hashes. The tree stands behind the file system on the same
/// device. Its root the host knows; or it is the device's own, which then is what it was when it was mounted, whatever
/// the host does to it later. What the device says of itself is anybody's: every number is checked before it is used.
namespace gcs::storage {

struct VeritySettings {
  uint64_t data_bytes = 0;  ///< of the file system, and so where the tree, or its superblock, begins
  uint32_t version = 0;     ///< of the hash format
  uint32_t block_size = 0;  ///< of data and hashes
  std::string algorithm;    ///< as "sha256"
  std::string salt;         ///< in hexadecimal; empty: none
  std::string root_digest;  ///< in hexadecimal
  bool superblock = false;  ///< a block before the tree tells what is left open above

  /// The root is what the tree on the device has; where one is named above, it has to be that.
  bool root_of_device = false;
};

/// Fills in what the settings leave open from the superblocks of the file system and of the tree, and where they say so
/// the root digest from the tree's top. Blocking. Without that the root digest is never taken from the device: it would
/// vouch for itself. `invalid_argument` names what is wrong with the device.
Result<VeritySettings> complete_verity(const std::string& node, VeritySettings settings);

/// The same from the bytes of a verity superblock, as `veritysetup format` writes it.
Result<VeritySettings> read_verity_superblock(std::string_view bytes, VeritySettings settings);

/// Whether the data, the superblock and all of the tree are on a device of that size.
Result<> check_verity_size(const VeritySettings& settings, uint64_t device_bytes);

/// The root digest of a tree: that of its first block. Known are format 1 and SHA-256.
Result<std::string> verity_root(std::string_view top_block, const VeritySettings& settings);

/// The mapping, from complete settings; `invalid_argument` names the one that is off.
Result<Mapping> verity_mapping(const std::string& name, const std::string& node, const VeritySettings& settings);

}  // namespace gcs::storage
