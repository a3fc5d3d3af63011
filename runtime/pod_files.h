#pragma once

#include <string>
#include <vector>

#include "runtime/bundle.h"
#include "runtime/undo.h"

/// What the containers of a pod share, as files: below the pod's root, which is its sandbox's bundle, or a directory of
/// its own for a virtual pod (behaviour.md 4). Blocking: call these from a helper thread.
namespace gcs::runtime {

/// Where a pod's parts are.
struct PodPaths {
  explicit PodPaths(std::string pod_root);

  std::string root;
  std::string mounts;     ///< volumes, on the sandbox's disk
  std::string tmpfs;      ///< volumes, in memory
  std::string hugepages;  ///< hugetlbfs mounts, by page size
  std::string logs;       ///< tee logs; for all to write
};

/// The root of a pod whose sandbox has this bundle.
std::string pod_root(const std::string& bundle_path, const std::string& pod_id, bool is_virtual);

/// Makes the root (0755, with its parents) where it is missing, writes `files` into it, and makes and mounts its parts:
/// what is mounted in them later appears in containers too. All of it is in `undo`, for the caller to keep.
Result<> make_pod_files(const PodPaths& paths, const std::vector<BundleFile>& files, Undo& undo);

/// Unmounts all in the parts and removes them; what is not there is success. A mount in use is taken out of sight and
/// ends with its last user. Goes on after an error, and reports the first.
Result<> remove_pod_files(const PodPaths& paths);

}  // namespace gcs::runtime
