#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "stdio/io/result.h"

/// A container's root file system, put together from layers. Blocking: call these from a helper thread.
namespace gcs::runtime {

struct CombinedLayers {
  std::string root_path;                 ///< where the root file system appears: <bundle>/rootfs
  std::vector<std::string> layer_paths;  ///< read-only directories, the topmost first
  std::string scratch_path;              ///< holds what is written; empty: a read-only root
};

/// A bundle that shows the directory of a scratch, by which it is known again: also once the scratch is out of sight,
/// and not to be taken for what somebody else mounts there later.
struct MovedBundle {
  std::string path;
  dev_t device = 0;
  ino_t inode = 0;
};

/// The same with clean paths; `invalid_argument` names the one that is none, or a part that is missing.
Result<CombinedLayers> clean_layers(const CombinedLayers& asked);

/// Whether the bundle of clean layers, the parent of their root, is mounted over from the scratch.
bool moves_bundle(const CombinedLayers& layers);

/// Mounts the layers at `root_path`, with <scratch>/upper and <scratch>/work as the writable part. A scratch outside of
/// the bundle (the parent of `root_path`) also takes in the bundle's own files: <scratch>/bundle is mounted over it,
/// and stays until the container is deleted, or the layers are removed without there being one. Gives that mount.
///
/// A path that is mounted already is `already_exists`, a missing layer `not_found`, a symlink in any of the paths
/// `invalid_argument`. Whatever fails is undone, down to the directories made. At most 500 layers (the kernel's limit),
/// of any names.
Result<std::optional<MovedBundle>> add_combined_layers(const CombinedLayers& layers);

/// Unmounts the root file system and removes its directory. One that is not there is success. Where `bundle` is given
/// and is still what is mounted there, that goes too, and the directory where it is empty; but it stays while something
/// in it is in use. Gives whether a given bundle is mounted no more.
Result<bool> remove_combined_layers(const std::string& root_path,
                                    const std::optional<MovedBundle>& bundle = std::nullopt);

}  // namespace gcs::runtime
