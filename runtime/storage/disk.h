#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

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

/// The request's parts, where they can go together; the target then is a clean path. `invalid_argument` names the
/// field, also for more than 64 options.
Result<Disk> checked(Disk disk);

/// The steps of an Add, each of them blocking, in the order in which they are declared.
class DiskWork {
 public:
  DiskWork(SystemRoots roots, std::shared_ptr<DeviceMapper> mapper, Disk disk);

  /// Whether the disk is there.
  Result<bool> look();

  /// Gives the node of a device that is to get a file system: of an empty disk, or of one that was encrypted just now.
  /// Empty: none is to be made. What may be somebody's data is `wrong_state`, and keeps what it has.
  Result<std::string> prepare();

  /// Mounts or links the disk; undoes what it did itself when it fails.
  Result<> mount();

  /// Closes what prepare() mapped.
  Result<> undo();

  /// Takes all of it away again.
  Result<> remove();

 private:
  Result<std::string> ensure_filesystem();
  Result<> show(const std::string& node);
  Result<> show_through_verity();

  const SystemRoots roots_;
  const std::shared_ptr<DeviceMapper> mapper_;
  const Disk disk_;
  ScsiDevice device_{};
  std::string node_;  // what is mounted
};

/// Takes away what is mounted, linked or mapped for a disk. Blocking.
Result<> remove_disk(const SystemRoots& roots, DeviceMapper& mapper, const Disk& disk);

}  // namespace gcs::storage
