#pragma once

#include <optional>
#include <string>
#include <vector>

#include "bridge/messages_resource.h"

/// The settings of ModifySettings for disks, layers and directories (wire.md 8.1 to 8.5).
namespace gcs::bridge {

struct ScsiDevice {
  uint8_t controller = 0;
  uint8_t lun = 0;
};

/// Today's hosts send none, for upstream's guest does not look at it.
struct VerityInfo {
  uint64_t ext4_size = 0;  ///< bytes
  uint32_t version = 0;
  uint32_t block_size = 0;
  std::string algorithm;
  std::string root_digest;  ///< hexadecimal
  std::string salt;         ///< hexadecimal
  bool super_block = false;
};

struct MappedVirtualDisk {
  ScsiDevice device;
  uint64_t partition = 0;  ///< 0: the whole disk
  std::string mount_path;  ///< empty: nothing is to be done
  std::string filesystem;
  bool read_only = false;
  bool encrypted = false;
  bool block_dev = false;
  bool ensure_filesystem = false;
  std::vector<std::string> options;
  std::optional<VerityInfo> verity;  ///< where it names a root digest
};

struct MappedDirectory {
  std::string mount_path;
  int32_t port = 0;
  std::string share_name;
  bool read_only = false;
};

struct VpmemDevice {
  uint32_t device_number = 0;
  std::string mount_path;
  bool mapped = false;  ///< only a part of the device:
  uint64_t offset = 0;
  uint64_t size = 0;
  std::optional<VerityInfo> verity;
};

struct CombinedLayers {
  std::string container_id;
  std::string root_path;
  std::vector<std::string> layer_paths;  ///< the topmost first; none on a removal of today's hosts
  std::string scratch_path;              ///< empty: a read-only root
};

Result<ScsiDevice> decode_scsi_device(const ModifySettings& modify);
Result<MappedVirtualDisk> decode_mapped_virtual_disk(const ModifySettings& modify);
Result<MappedDirectory> decode_mapped_directory(const ModifySettings& modify);
Result<VpmemDevice> decode_vpmem_device(const ModifySettings& modify);
Result<CombinedLayers> decode_combined_layers(const ModifySettings& modify);

}  // namespace gcs::bridge
