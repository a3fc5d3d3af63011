#include "bridge/json.h"

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>
#include <utility>

namespace gcs::bridge {

namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

bool same_but_for_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

/// What the parser would let pass or pay too much for: it skips a BOM and ends at a NUL, and bounds neither depth nor
/// count. Brackets inside strings do not count.
const char* fault_of(std::string_view text) {
  if (text.starts_with("\xef\xbb\xbf")) return "begins with a byte order mark";
  size_t depth = 0;
  size_t values = 1;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\0') return "contains a NUL byte";
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
      continue;
    }
    switch (c) {
      case '"': in_string = true; break;
      case '[':
      case '{':
        if (++depth > kMaxDepth) return "nested too deeply";
        ++values;
        break;
      case ']':
      case '}':
        if (depth > 0) --depth;
        break;
      case ',': ++values; break;
      default: break;
    }
  }
  return values > kMaxValues ? "has too many values" : nullptr;
}

}  // namespace

Result<Json> parse_json(std::string_view text) {
  if (const char* fault = fault_of(text)) return Error(Errc::malformed, fault);
  auto value = nlohmann::json::parse(text, nullptr, false);
  if (value.is_discarded()) return Error(Errc::malformed, "not valid JSON");
  return std::make_shared<nlohmann::json>(std::move(value));
}

Fields::Fields(Json document, std::string path)
    : Fields(std::move(document), std::move(path), std::make_shared<std::optional<Error>>()) {}

Fields::Fields(Json document, std::string path, std::shared_ptr<std::optional<Error>> failure)
    : document_(std::move(document)), path_(std::move(path)), failure_(std::move(failure)) {
  if (document_ && document_->is_object()) return;
  if (document_ && !document_->is_null()) refuse("", "not an object");
  document_ = nullptr;
}

nlohmann::json* Fields::find(std::string_view name) const {
  if (!document_) return nullptr;
  auto found = document_->find(name);
  for (auto it = document_->begin(); found == document_->end() && it != document_->end(); ++it) {
    if (same_but_for_case(it.key(), name)) found = it;
  }
  if (found == document_->end() || found->is_null()) return nullptr;
  return &*found;
}

std::string Fields::path_to(std::string_view name) const {
  if (path_.empty() && name.empty()) return "request";
  std::string path = path_;
  if (!path.empty() && !name.empty()) path += '.';
  path += name;
  return path;
}

void Fields::refuse(std::string_view name, std::string_view why) {
  if (*failure_) return;
  std::string text = path_to(name);
  text += ": ";
  text += why;
  *failure_ = Error(Errc::malformed, std::move(text));
}

std::string Fields::string(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr) return {};
  if (value->is_string()) return value->get_ref<const std::string&>();
  refuse(name, "not a string");
  return {};
}

bool Fields::boolean(std::string_view name) {
  const auto* value = find(name);
  if (value == nullptr) return false;
  if (value->is_boolean()) return value->get<bool>();
  refuse(name, "not a boolean");
  return false;
}

template <class Int>
Int Fields::integer(std::string_view name, std::string_view type) {
  const auto* value = find(name);
  if (value == nullptr) return 0;
  if (value->is_number_unsigned()) {
    const auto number = value->get<uint64_t>();
    if (std::in_range<Int>(number)) return static_cast<Int>(number);
  } else if (value->is_number_integer()) {
    const auto number = value->get<int64_t>();
    if (std::in_range<Int>(number)) return static_cast<Int>(number);
  } else {
    refuse(name, value->is_number() ? "not a whole number within 64 bits" : "not a number");
    return 0;
  }
  refuse(name, "number out of range for " + std::string(type));
  return 0;
}

uint8_t Fields::u8(std::string_view name) {
  return integer<uint8_t>(name, "u8");
}
uint16_t Fields::u16(std::string_view name) {
  return integer<uint16_t>(name, "u16");
}
uint32_t Fields::u32(std::string_view name) {
  return integer<uint32_t>(name, "u32");
}
uint64_t Fields::u64(std::string_view name) {
  return integer<uint64_t>(name, "u64");
}
int32_t Fields::i32(std::string_view name) {
  return integer<int32_t>(name, "i32");
}

std::optional<uint32_t> Fields::peek_u32(std::string_view name) const {
  const auto* value = find(name);
  if (value == nullptr || !value->is_number_unsigned()) return std::nullopt;
  const auto number = value->get<uint64_t>();
  return std::in_range<uint32_t>(number) ? std::optional(static_cast<uint32_t>(number)) : std::nullopt;
}

std::vector<std::string> Fields::strings(std::string_view name) {
  std::vector<std::string> all;
  const auto* value = find(name);
  if (value == nullptr) return all;
  if (!value->is_array()) {
    refuse(name, "not an array");
    return all;
  }
  for (const auto& item : *value) {
    if (!item.is_string() && !item.is_null()) refuse(name, "not an array of strings");
    all.push_back(item.is_string() ? item.get_ref<const std::string&>() : std::string());
  }
  return all;
}

std::map<std::string, std::string> Fields::string_map(std::string_view name) {
  std::map<std::string, std::string> all;
  const auto* value = find(name);
  if (value == nullptr) return all;
  if (!value->is_object()) {
    refuse(name, "not an object");
    return all;
  }
  for (const auto& [key, item] : value->items()) {
    if (!item.is_string() && !item.is_null()) refuse(name, "not an object of strings");
    all[key] = item.is_string() ? item.get_ref<const std::string&>() : std::string();
  }
  return all;
}

Json Fields::any(std::string_view name) {
  auto* value = find(name);
  if (value == nullptr) return nullptr;
  return Json(document_, value);
}

Json Fields::object_value(std::string_view name) {
  Json value = any(name);
  if (value && !value->is_object()) {
    refuse(name, "not an object");
    return nullptr;
  }
  return value;
}

Fields Fields::object(std::string_view name) {
  return Fields(any(name), path_to(name), failure_);
}

std::vector<Fields> Fields::objects(std::string_view name) {
  std::vector<Fields> all;
  auto* value = find(name);
  if (value == nullptr) return all;
  if (!value->is_array()) {
    refuse(name, "not an array");
    return all;
  }
  for (auto& item : *value) {
    const std::string path = path_to(name) + "[" + std::to_string(all.size()) + "]";
    all.push_back(Fields(Json(document_, &item), path, failure_));
  }
  return all;
}

Fields Fields::embedded(std::string_view name) {
  const auto* text = find(name);
  Json inner;
  if (text != nullptr && !text->is_string()) {
    refuse(name, "not a string");
  } else if (text == nullptr || text->get_ref<const std::string&>().empty()) {
    refuse(name, "missing");
  } else if (auto parsed = parse_json(text->get_ref<const std::string&>())) {
    inner = *parsed;
  } else {
    refuse(name, parsed.error().message());
  }
  return Fields(std::move(inner), path_to(name), failure_);
}

}  // namespace gcs::bridge
