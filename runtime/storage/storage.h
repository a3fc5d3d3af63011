#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/container.h"
#include "runtime/layers.h"
#include "runtime/storage/claim.h"
#include "runtime/storage/device_mount.h"
#include "runtime/storage/plan9.h"
#include "runtime/storage/pmem.h"
#include "runtime/storage/scsi_device.h"
#include "runtime/storage/verity.h"

namespace gcs::storage {

/// A SCSI disk, or a part of one, as a host wants it at a path of the VM.
struct Disk {
  ScsiAddress address;
  std::string target;      ///< empty: nothing is to be done
  std::string filesystem;  ///< empty: as found
  bool read_only = false;
  bool encrypted = false;          ///< with a key of its own, over whatever is on it
  bool block_device = false;       ///< a link to the device instead of a mount
  bool ensure_filesystem = false;  ///< make `filesystem` where the disk is empty
  std::vector<std::string> options;
  std::optional<VeritySettings> verity;  ///< of a disk that is read only
};

struct Pmem {
  uint32_t device = 0;
  std::string target;
  std::optional<PmemPart> part;
  std::optional<VeritySettings> verity;
};

/// What ModifySettings asks of disks, layers and directories. Owned by the service; loop thread only.
///
/// What blocks runs on helper threads. A device that is to appear is looked for every 10 ms, so that the wait holds no
/// thread; it ends after 10 s, as does that for a 9P server. Of two requests for one target or one device the second
/// waits for the first. Each Add undoes all that it did when it fails; each removal of what is not there succeeds.
class Storage {
 public:
  static constexpr std::chrono::seconds kDeviceLimit{10};

  explicit Storage(runtime::RuntimeContext& context, SystemRoots roots = {}, std::unique_ptr<DeviceMapper> mapper = {});

  io::Task<Result<>> add_disk(Disk disk);
  /// Writes the disk out, unmounts it, and closes what was mapped for it, whether or not the request says that it was.
  io::Task<Result<>> remove_disk(Disk disk);
  io::Task<Result<>> unplug(uint8_t controller, uint8_t lun);

  io::Task<Result<>> add_pmem(Pmem pmem);
  io::Task<Result<>> remove_pmem(Pmem pmem);

  io::Task<Result<>> add_layers(runtime::CombinedLayers layers);
  io::Task<Result<>> remove_layers(std::string root_path);

  io::Task<Result<>> add_directory(SharedDirectory directory);
  io::Task<Result<>> remove_directory(std::string target);

 private:
  using Deadline = io::Clock::TimePoint;

  io::Task<Claims::Claim> claim(std::string target, std::string device);
  io::Task<Result<>> require_free(std::string target);
  io::Task<Result<ScsiDevice>> await_disk(ScsiAddress address, Deadline deadline);
  io::Task<Result<>> await_node(std::string node, Deadline deadline);
  io::Task<Result<>> use_disk(Disk disk, ScsiDevice device);
  io::Task<Result<>> mount_plain(Disk disk, ScsiDevice device);
  io::Task<Result<>> mount_verified(Disk disk, ScsiDevice device);
  io::Task<Result<>> mount_encrypted(Disk disk, ScsiDevice device);
  io::Task<Result<>> ensure_filesystem(std::string filesystem, std::string node);
  io::Task<Result<>> run(std::function<Result<>()> job) { return context_.offload.call<void>(std::move(job)); }
  io::Task<> pause();

  runtime::RuntimeContext& context_;
  const SystemRoots roots_;
  const std::shared_ptr<DeviceMapper> mapper_;  // shared with jobs that hang
  io::Offload plan9_offload_;                   // servers that do not answer hold up each other, and nobody else
  Claims claims_;
};

}  // namespace gcs::storage
