#include "tests/host/json_value.h"

#include <strings.h>

#include <nlohmann/json.hpp>

namespace gcs::host {
namespace {

/// Length of the UTF-8 sequence at `at`; 0 where there is none.
size_t utf8_length(std::string_view text, size_t at) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[at + i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || at + length > text.size()) return 0;
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  const bool overlong = (first == 0xe0 && byte(1) < 0xa0) || (first == 0xf0 && byte(1) < 0x90);
  const bool out_of_range = (first == 0xed && byte(1) > 0x9f) || (first == 0xf4 && byte(1) > 0x8f);
  return overlong || out_of_range ? 0 : length;
}

std::string valid_utf8(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (size_t at = 0; at < text.size();) {
    const size_t length = utf8_length(text, at);
    if (length == 0) {
      out += "\xef\xbf\xbd";
      ++at;
    } else {
      out += text.substr(at, length);
      at += length;
    }
  }
  return out;
}

}  // namespace

std::optional<json> parse_json(std::string_view text) {
  // The library takes both of these; the host does not.
  if (text.starts_with("\xef\xbb\xbf") || text.find('\0') != std::string_view::npos) return std::nullopt;
  json value = json::parse(valid_utf8(text), nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

std::string to_text(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

const json* member(const json& object, std::string_view name) {
  if (!object.is_object()) return nullptr;
  const json* found = nullptr;
  for (const auto& item : object.items()) {
    const std::string& key = item.key();
    if (key == name) {
      found = &item.value();
      break;
    }
    if (key.size() == name.size() && ::strncasecmp(key.data(), name.data(), name.size()) == 0) found = &item.value();
  }
  return found == nullptr || found->is_null() ? nullptr : found;
}

std::string text_of(const json& object, std::string_view name) {
  const json* value = member(object, name);
  return value != nullptr && value->is_string() ? value->get<std::string>() : std::string();
}

int64_t number_of(const json& object, std::string_view name) {
  const json* value = member(object, name);
  return value != nullptr && value->is_number_integer() ? value->get<int64_t>() : 0;
}

}  // namespace gcs::host
