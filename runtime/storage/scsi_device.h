#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/storage/system_roots.h"
#include "stdio/io/result.h"

/// SCSI disks as hosts count them. All of it blocks, but only for as long as a look into sysfs takes.
namespace gcs::storage {

/// A disk or a part of one.
struct ScsiAddress {
  uint8_t controller = 0;  ///< the host's index, 0 to 3
  uint8_t lun = 0;
  uint64_t partition = 0;  ///< from 1 on; 0 is the whole disk
};

/// "controller 0, LUN 1, partition 2", for texts.
std::string to_string(const ScsiAddress& address);

/// The kernel's number of a host's controller, or nothing while it is not there. On Hyper-V the four controllers have
/// GUIDs of their own on the VM bus, and no order. A VM without that bus (QEMU) has its SCSI hosts taken in the order
/// of their numbers. `invalid_argument` for an index above 3.
Result<std::optional<unsigned>> find_controller(const SystemRoots& roots, uint8_t controller);

struct ScsiDevice {
  unsigned host;     ///< the controller's number in the kernel
  std::string node;  ///< as "/dev/sda1"
};

/// The device, or nothing while it is not there, or not yet to be opened: ask again. More than one block device behind
/// one address is `internal`.
Result<std::optional<ScsiDevice>> find_scsi_device(const SystemRoots& roots, const ScsiAddress& address);

/// Takes a whole disk out of the kernel before the host detaches it, once it is written out. One that is not there is
/// success, one that a mount or a device mapping uses `wrong_state`. Blocks for as long as the disk takes.
Result<> unplug_scsi_disk(const SystemRoots& roots, uint8_t controller, uint8_t lun);

}  // namespace gcs::storage
