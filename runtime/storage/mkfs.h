#pragma once

#include <string>

#include "runtime/container.h"

namespace gcs::storage {

/// Makes a file system, "ext4" or "xfs", over whatever is on the device, by the image's mkfs program; bounded by a time
/// limit. `unsupported` for another file system, or where the image has no such program.
io::Task<Result<>> make_filesystem(runtime::RuntimeContext& context, std::string filesystem, std::string node);

}  // namespace gcs::storage
