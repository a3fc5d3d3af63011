#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "runtime/container_traits.h"
#include "stdio/io/result.h"

/// The process objects of containers and execs.
namespace gcs::runtime {

/// Gives the user that process.user.username names its ids in the root file system; nothing without a name. Reads two
/// small files: blocking.
Result<> find_named_user(nlohmann::json& process, const std::string& rootfs, const char* field);

/// "soft;hard", the annotation io.microsoft.lcow.rlimitcore, as the process's only RLIMIT_CORE.
Result<> limit_core(nlohmann::json& process, const std::string& value);

/// The user object, if it has a name; else null.
nlohmann::json named_user_of(const nlohmann::json& process);

/// Checks the process object of an exec, and prepares it: it gets the container's rlimits, and as its user the one it
/// names, looked up in the root file system, else the container's if that has a name, else the ids in it. Tells whether
/// it wants a terminal. With a user name this reads two small files: blocking.
Result<bool> prepare_exec(nlohmann::json& process, const ContainerTraits& traits);

}  // namespace gcs::runtime
