#pragma once

#include <nlohmann/json_fwd.hpp>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// With the annotation io.microsoft.lcow.shm.size-kb: one tmpfs of this size at /dev/shm, in place of what is mounted
/// there. `invalid_argument` for a size that is 0 or no number.
Result<> size_shm(nlohmann::json& spec);

}  // namespace gcs::runtime
