#pragma once

#include <string>

#include "stdio/io/result.h"

/// mount(2) and umount(2) on paths of our own. They block: call them from a helper thread.
namespace gcs::runtime {

/// Whether a mount's root is visible at `path`; false for a path that is not there. A symlink is looked at itself.
Result<bool> is_mount_point(const std::string& path);

/// Shows the directory `source` at `target` as well, without what is mounted below it; private, so that what is later
/// mounted in one does not appear in the other. Where `target` is the /proc path of a descriptor, that very directory
/// is mounted over.
Result<> bind_mount(const std::string& source, const std::string& target, bool read_only = false);

/// Unmounts all that is stacked at `path`, up to five mounts; a path that is not there, or no mount, is success. A
/// mount in use is `wrong_state`.
Result<> unmount_all(const std::string& path);

}  // namespace gcs::runtime
