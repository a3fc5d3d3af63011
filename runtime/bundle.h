#pragma once

#include <string>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::runtime {

struct BundleFile {
  std::string name;  ///< in the bundle's directory
  std::string text;
};

/// Absolute and clean, and not the root directory; else `invalid_argument` for OciBundlePath.
Result<> check_bundle_path(const std::string& path);

/// The same for ScratchDirPath, which may be empty as well: the container has no scratch.
Result<> check_scratch_path(const std::string& path);

/// Makes the bundle's directory (0700, with its parents) where it is missing, and writes config.json and the other
/// files into it. Whatever fails is undone. Blocking.
Result<> write_bundle(const std::string& path, const std::string& config, const std::vector<BundleFile>& files);

/// Removes the bundle of a container that could not be created. What is mounted in it or over it stays, and that is no
/// error: root file systems, and the scratch whose directory a bundle may be, are the host's to take down. Blocking.
Result<> remove_bundle(const std::string& path);

/// Removes the bundle and the scratch directory (may be empty: none) of a deleted container, and takes away the mount
/// that combined layers put over the bundle. What is not there is success; `wrong_state` while something is mounted in
/// them. Goes on after an error, and reports the first. Blocking.
Result<> remove_container_files(const std::string& bundle_path, const std::string& scratch_path);

/// Removes the directory of a bundle that nobody uses any more, where it is empty, and then its pod's directory, where
/// that is the guest's by its place: the v2 shim's /run/gcs/pods/POD/CONTAINER.
void remove_empty_bundle(const std::string& path);

/// The latter alone.
void remove_empty_pod_dir(const std::string& bundle_path);

}  // namespace gcs::runtime
