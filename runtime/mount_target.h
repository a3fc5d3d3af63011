#pragma once

#include <string>

#include "runtime/undo.h"
#include "stdio/io/fd.h"

/// Places that a host chooses for mounts. A container can write to some trees of the VM (its scratch, what it shares
/// with its pod) and plant symlinks there, which must lead no mount elsewhere. So no component of such a path may be a
/// symlink, and what was resolved once is used by its descriptor. Paths are clean ones (clean_path). All of it blocks.
namespace gcs::runtime {

/// A name in a directory that is held open.
struct Place {
  io::Fd parent;
  std::string name;
  std::string path;  ///< as the host wrote it, for texts

  /// For system calls that do not follow their path's last component.
  std::string through() const;
};

/// The place of `path`, whose directory must be there: `not_found`. A symlink on the way is `invalid_argument`, and so
/// is the root directory, which is in no other.
Result<Place> find_place(const std::string& path);

/// The same, for an Add: makes the directories above with `mode`; `undo` removes those again.
Result<Place> make_place(const std::string& path, unsigned mode, Undo& undo);

/// The directory at a place, as O_PATH, made where it is missing; `undo` removes it then. `invalid_argument` for a
/// symlink.
Result<io::Fd> make_dir_at(const Place& place, unsigned mode, Undo& undo);

/// mkdir -p by the same rules. One above that is removed meanwhile, for it was empty, is made again.
Result<io::Fd> make_dirs_unfollowed(const std::string& path, unsigned mode, Undo& undo);

/// What is visible at a place, be it a mount's root; `flags` as O_PATH or O_RDONLY.
Result<io::Fd> open_at(const Place& place, int flags);

/// `already_exists` where a mount's root is visible.
Result<> require_unmounted(const Place& place);

/// Unmounts all that is stacked at a place, at most five mounts; none is success. One in use is `wrong_state`.
Result<> unmount_at(const Place& place);

/// The same, then removes the directory. A path that is not there is success.
Result<> unmount_and_remove(const std::string& path);

}  // namespace gcs::runtime
