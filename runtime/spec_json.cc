#include "runtime/spec_json.h"

#include <algorithm>

#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

bool is_at(const Json& mount, const std::string& destination) {
  // Old documents have relative destinations; they count from the root.
  const auto there = clean_path("", "/" + string_member(mount, "destination"));
  return there && *there == destination;
}

}  // namespace

const Json& member(const Json& object, const char* name) {
  static const Json kNull;
  if (!object.is_object()) return kNull;
  const auto found = object.find(name);
  return found == object.end() ? kNull : *found;
}

std::string string_member(const Json& object, const char* name) {
  const Json& found = member(object, name);
  return found.is_string() ? found.get<std::string>() : std::string();
}

bool bool_member(const Json& object, const char* name) {
  const Json& found = member(object, name);
  return found.is_boolean() && found.get<bool>();
}

Json& array_member(Json& object, const char* name) {
  Json& found = object[name];
  if (!found.is_array()) found = Json::array();
  return found;
}

Json& object_member(Json& object, const char* name) {
  Json& found = object[name];
  if (!found.is_object()) found = Json::object();
  return found;
}

std::optional<std::string> annotation(const Json& spec, const char* name) {
  const Json& found = member(member(spec, "annotations"), name);
  if (!found.is_string()) return std::nullopt;
  return found.get<std::string>();
}

bool mounts_at(const Json& spec, const std::string& destination) {
  const Json& mounts = member(spec, "mounts");
  return std::any_of(mounts.begin(), mounts.end(), [&](const Json& mount) { return is_at(mount, destination); });
}

void remove_mounts_at(Json& spec, const std::string& destination) {
  Json kept = Json::array();
  for (Json& mount : array_member(spec, "mounts")) {
    if (!is_at(mount, destination)) kept.push_back(std::move(mount));
  }
  spec["mounts"] = std::move(kept);
}

void add_bind(Json& spec, const std::string& source, const std::string& destination, bool read_only) {
  Json mount = Json::object();
  mount["destination"] = destination;
  mount["type"] = "bind";
  mount["source"] = source;
  mount["options"] = Json::array({"bind"});
  if (read_only) mount["options"].push_back("ro");
  array_member(spec, "mounts").push_back(std::move(mount));
}

bool has_read_only_root(const Json& spec) {
  return bool_member(member(spec, "root"), "readonly");
}

}  // namespace gcs::runtime
