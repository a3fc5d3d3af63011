#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/pod_files.h"
#include "stdio/io/result.h"

namespace gcs::runtime {

/// Puts what is meant in the place of the sources and destinations that only hosts know (behaviour.md 5.4):
///
///     sandbox://X           X among the pod's volumes, a directory (0777) made where there is nothing
///     sandbox-tmp://X       the same among its volumes in memory
///     hugepages://2M/X      the same, with a hugetlbfs of that page size mounted on it, once for all who ask
///     uvm://P               P of the VM, which must be there
///     blockdev://D          as a destination: D, and the device behind the source is allowed, read-only with "ro"
///
/// Containers write to volumes, so a path among them is resolved with the volumes as its root: neither ".." nor a
/// symlink leads out, and the OCI runtime gets what was found, held in `hold_dir` (held_volumes.h) so that nobody can
/// swap it meanwhile; tells whether any is. Volumes that it makes are the pod's, and stay whatever becomes of the
/// container.
///
/// Errors name the mount, and leave nothing held. Blocking.
Result<bool> resolve_mounts(nlohmann::json& spec, const PodPaths& pod, const std::string& hold_dir);

}  // namespace gcs::runtime
