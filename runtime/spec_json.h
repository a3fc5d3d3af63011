#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>

/// Small steps in a specification. Reading takes null and a wrong type for absent; writing puts the part that is
/// needed in their place. Everything else in the document stays as it is.
namespace gcs::runtime {

using Json = nlohmann::json;

/// The member, or null where there is none.
const Json& member(const Json& object, const char* name);
std::string string_member(const Json& object, const char* name);
bool bool_member(const Json& object, const char* name);

/// The member, made where it is no array (no object).
Json& array_member(Json& object, const char* name);
Json& object_member(Json& object, const char* name);

std::optional<std::string> annotation(const Json& spec, const char* name);

/// Whether something is mounted at `destination`, which is a clean path.
bool mounts_at(const Json& spec, const std::string& destination);
void remove_mounts_at(Json& spec, const std::string& destination);

/// Adds a bind mount.
void add_bind(Json& spec, const std::string& source, const std::string& destination, bool read_only);

bool has_read_only_root(const Json& spec);

}  // namespace gcs::runtime
