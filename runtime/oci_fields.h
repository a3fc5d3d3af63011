#pragma once

#include <nlohmann/json_fwd.hpp>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// Refuses a document with a field that the OCI runtime specification (1.2) does not have for containers on Linux: in a
/// VM whose policy confines its host nothing passes to the OCI runtime that nobody here knows. `unsupported`, naming
/// the field as "OciSpecification.linux.resources.memory.x". Objects whose members are anybody's names (annotations,
/// sysctl) pass as they are, and so does a part of a wrong type, which is for check_spec() to judge. Names in another
/// letter case are not known.
Result<> check_known_fields(const nlohmann::json& spec);

/// The same for an exec's process object, as "OciProcess.x".
Result<> check_known_process_fields(const nlohmann::json& process);

/// The same for resources that a container is to have from now on, as "Linux.x".
Result<> check_known_resource_fields(const nlohmann::json& resources);

}  // namespace gcs::runtime
