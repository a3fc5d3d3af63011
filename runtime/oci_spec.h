#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <string_view>

#include "stdio/io/result.h"

/// Reading the OCI runtime specification of a container. It stays the document that the host sent: fields that we do
/// not know pass through to the OCI runtime. What the runtime is to judge is not judged here, only what we read
/// ourselves, and what would be unsafe to pass on. null counts as absent, as Go's hosts mean it.
namespace gcs::runtime {

inline constexpr size_t kMaxSpecDepth = 128;  ///< levels: dump() recurses

/// `malformed` for a wrong type or a part that is missing, `invalid_argument` for a wrong value, each naming the field
/// as "OciSpecification.process.args". A document that passes is safe for everything below.
Result<> check_spec(const nlohmann::json& spec);

/// The same for the process object of an exec, as "OciProcess.args".
Result<> check_exec_process(const nlohmann::json& process);

bool has_terminal(const nlohmann::json& process);

/// Whether the container gets a new pid namespace, whose init takes all others with it when it ends.
bool owns_pid_namespace(const nlohmann::json& spec);

/// The id of the network namespace that the host made for the container, in lower case; empty without one.
std::string network_namespace_of(const nlohmann::json& spec);

/// The root file system; a relative root.path counts from the bundle.
std::string rootfs_of(const nlohmann::json& spec, const std::string& bundle_path);

/// linux.cgroupsPath; empty without one.
std::string cgroups_path_of(const nlohmann::json& spec);

/// An annotation that Go's ParseBool takes for true or false; anything else is `fallback`, and logged.
bool annotation_flag(const nlohmann::json& spec, std::string_view name, bool fallback);

/// The document as config.json holds it: no HTML escapes, a newline at the end.
std::string spec_text(const nlohmann::json& spec);

}  // namespace gcs::runtime
