#pragma once

#include <string>

#include "runtime/storage/mount_options.h"
#include "stdio/io/result.h"

/// A file system of a device at a place of the host's choice. Blocking.
namespace gcs::storage {

struct DeviceMount {
  std::string node;
  std::string target;      ///< a clean path; made, with mode 0700, where it is missing
  std::string filesystem;  ///< empty: as found on the device
  bool read_only = false;  ///< then nothing is written, not even a journal's replay
  MountOptions options;
};

/// The file systems that a host may name for a device.
bool is_filesystem(std::string_view name);

/// `already_exists` where something is mounted at the target; asked before a disk is waited for, or written.
Result<> require_free_target(const std::string& target);

/// `already_exists` where something is mounted at the target, `unsupported` for what cannot be mounted. Whatever fails
/// is undone, down to the directories made.
Result<> mount_device(const DeviceMount& mount);

/// Writes out what is mounted at `target`, unmounts it and removes the directory. One that is not there is success, one
/// in use `wrong_state`.
Result<> unmount_device(const std::string& target);

/// The device as a node of its own: a symlink at `target`, in directories of mode 0700. `already_exists` where there is
/// something.
Result<> link_device(const std::string& node, const std::string& target);

/// Removes the symlink. Nothing there is success, something that is none `wrong_state`.
Result<> unlink_device(const std::string& target);

}  // namespace gcs::storage
