#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace gcs::host {

using json = nlohmann::json;

// JSON as the real host's decoder takes it (wire.md 6): member names match in any letter case, an absent member and
// null are the zero value, bytes that are no UTF-8 become U+FFFD inside strings.

/// Nothing where the text is not exactly one JSON document.
std::optional<json> parse_json(std::string_view text);
std::string to_text(const json& value);

/// The member, or null when it is absent or null.
const json* member(const json& object, std::string_view name);

std::string text_of(const json& object, std::string_view name);
int64_t number_of(const json& object, std::string_view name);

}  // namespace gcs::host
