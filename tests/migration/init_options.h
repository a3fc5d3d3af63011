#pragma once

#include "proto/migration_options.pb.h"
#include "stdio/io/result.h"

namespace gcs::migration {

/// Whether a transfer can be done so; the error names the field. A transport other than TCP is `internal`, as other
/// hosts answer it, all else `invalid_argument`.
Result<> check(const InitializeOptions& options);

}  // namespace gcs::migration
