#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "stdio/io/result.h"

/// Reading JSON that came from outside: parsing within bounds, and fields by the rules that the peers share.
namespace gcs::bridge {

/// A document, or a part of one that keeps the whole alive. Whoever holds the last one may move the value out of it.
using Json = std::shared_ptr<nlohmann::json>;

inline constexpr size_t kMaxDepth = 128;        ///< levels; what walks a value recursively stays within its stack
inline constexpr size_t kMaxValues = 1u << 20;  ///< a value takes 16 bytes and more; two bytes of text make one

/// `malformed` for what is not one JSON document, with nothing but white space around it. The text stays short and
/// quotes nothing of the input.
Result<Json> parse_json(std::string_view text);

/// The members of one object, read by name. Names match exactly or else in any letter case; an absent member and null
/// are the zero value; unknown members are nobody's business. A member of the wrong type, or a number out of range, is
/// noted as `malformed` under its dotted name and reads as zero, so that a decoder reads straight down and asks once,
/// at its end: finish(). The first failure wins. Members of members share the failure.
class Fields {
 public:
  /// `document` must hold an object or null. `path` is its dotted name, empty for a whole request.
  explicit Fields(Json document, std::string path = {});

  bool has(std::string_view name) const { return find(name) != nullptr; }
  std::string string(std::string_view name);
  bool boolean(std::string_view name);
  uint8_t u8(std::string_view name);
  uint16_t u16(std::string_view name);
  uint32_t u32(std::string_view name);
  uint64_t u64(std::string_view name);
  int32_t i32(std::string_view name);
  /// For what only serves the answer's bookkeeping: a wrong type is the decoder's to report, if it looks.
  std::optional<uint32_t> peek_u32(std::string_view name) const;

  std::vector<std::string> strings(std::string_view name);
  std::map<std::string, std::string> string_map(std::string_view name);

  /// A member as it stands; null when absent.
  Json any(std::string_view name);

  /// The same where it must be an object.
  Json object_value(std::string_view name);

  Fields object(std::string_view name);
  std::vector<Fields> objects(std::string_view name);

  /// A string that contains a document of its own, which must be there.
  Fields embedded(std::string_view name);

  /// Notes a failure of a member that the caller has found.
  void refuse(std::string_view name, std::string_view why);

  const std::optional<Error>& failure() const { return *failure_; }

  template <class T>
  Result<T> finish(T value) const {
    if (*failure_) return **failure_;
    return value;
  }

 private:
  Fields(Json document, std::string path, std::shared_ptr<std::optional<Error>> failure);

  nlohmann::json* find(std::string_view name) const;
  std::string path_to(std::string_view name) const;
  template <class Int>
  Int integer(std::string_view name, std::string_view type);

  Json document_;  // null: every member is absent
  std::string path_;
  std::shared_ptr<std::optional<Error>> failure_;
};

}  // namespace gcs::bridge
