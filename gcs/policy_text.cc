#include "gcs/policy_text.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>

#include "bridge/json.h"
#include "gcs/base64.h"

namespace gcs {
namespace {

using nlohmann::json;

constexpr std::array<std::string_view, 4> kEnforcers = {"", "open_door", "standard", "rego"};

/// Nothing, no, none: what an encoder writes for a part that nobody has filled in.
bool says_nothing(const json& value) {
  switch (value.type()) {
    case json::value_t::null: return true;
    case json::value_t::boolean: return !value.get<bool>();
    case json::value_t::string: return value.get_ref<const std::string&>().empty();
    case json::value_t::array: return std::ranges::all_of(value.get_ref<const json::array_t&>(), says_nothing);
    case json::value_t::object:
      return std::ranges::all_of(value.get_ref<const json::object_t&>(),
                                 [](const auto& member) { return says_nothing(member.second); });
    default: return value.is_number() && value.get<double>() == 0;
  }
}

Result<> check_members(const json::object_t& policy) {
  const auto all = policy.find("allow_all");
  if (all == policy.end() || !all->second.is_boolean() || !all->second.get<bool>()) {
    return Error(
        Errc::unsupported,
        "EncodedSecurityPolicy: a list of containers (the enforcer \"standard\") cannot be enforced by this agent");
  }
  for (const auto& [name, value] : policy) {
    if (name == "allow_all" || says_nothing(value)) continue;
    return Error(Errc::unsupported, "EncodedSecurityPolicy: beside allow_all there is \"" + name.substr(0, 64) +
                                        "\", which cannot be enforced");
  }
  return {};
}

}  // namespace

Result<> check_policy_text(std::string_view enforcer, std::string_view encoded) {
  if (std::ranges::find(kEnforcers, enforcer) == kEnforcers.end()) {
    return Error(Errc::invalid_argument,
                 "EnforcerType: there is no enforcer \"" + std::string(enforcer.substr(0, 64)) + "\"");
  }
  if (encoded.empty()) {
    if (enforcer.empty() || enforcer == "open_door") return {};
    return Error(Errc::malformed,
                 "EncodedSecurityPolicy: is empty, and the enforcer is \"" + std::string(enforcer) + "\"");
  }
  const auto text = decode_base64(encoded);
  if (!text) return Error(Errc::malformed, "EncodedSecurityPolicy: is no base64");
  const size_t begin = text->find_first_not_of(" \t\r\n");
  if (begin == text->npos || (*text)[begin] != '{') {
    return Error(Errc::unsupported, "EncodedSecurityPolicy: a policy in Rego cannot be enforced by this agent");
  }
  const auto policy = bridge::parse_json(*text);
  if (!policy) return policy.error().within("EncodedSecurityPolicy");
  return check_members((*policy)->get_ref<const json::object_t&>());
}

}  // namespace gcs
