#pragma once

#include <string>

#include "stdio/io/fd.h"

/// Volumes that were resolved are open files, and an OCI runtime takes paths. So each is mounted in a directory of
/// ours, which no container reaches, until the runtime has created the container: whatever is put in the place of a
/// volume meanwhile, it is the resolved one that the container gets. Blocking.
namespace gcs::runtime {

/// Mounts `source`, with what is mounted in it, at <dir>/<name>; gives that path. It keeps its part in the propagation
/// of mounts.
Result<std::string> hold_volume(const std::string& dir, const std::string& name, const io::Fd& source);

/// Takes all of them away, and the directory; what is not there is success. The volumes stay what they are.
Result<> release_volumes(const std::string& dir);

}  // namespace gcs::runtime
