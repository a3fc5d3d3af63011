#pragma once

#include "proto/save/migration.pb.h"
#include "stdio/io/result.h"
#include "tests/migration/pack.h"

namespace gcs::migration {

namespace save = hcsshim::controller::migration::save::v1;

/// The saved state of a sandbox out of an import's `config`, checked down to its last payload; a container may be in it
/// only once. Errors as those of unpack(), and name the field.
Result<save::Payload> unpack_sandbox(const google::protobuf::Any& config);

}  // namespace gcs::migration
