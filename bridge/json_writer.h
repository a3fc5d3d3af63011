#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace gcs::bridge {

/// A JSON string literal: quoted, escaped, and valid UTF-8 whatever the text holds.
std::string quote(std::string_view text);

/// The same, but never longer than `limit` bytes, quotes included: what does not fit is cut between two characters and
/// the text then ends in kCutMark. The limit must hold the mark.
std::string quote_within(std::string_view text, size_t limit);

inline constexpr std::string_view kCutMark = " [cut]";

/// Writes one JSON object member by member, in the order of the calls. Names are ours and need no escapes.
class ObjectWriter {
 public:
  ObjectWriter() { out_.reserve(kUsual); }

  ObjectWriter& number(std::string_view name, int64_t value) { return raw(name, std::to_string(value)); }
  ObjectWriter& text(std::string_view name, std::string_view value) { return raw(name, quote(value)); }
  ObjectWriter& raw(std::string_view name, std::string_view json);

  /// Bytes that finish() would return now.
  size_t size() const { return out_.size() + 1; }
  std::string finish();

 private:
  static constexpr size_t kUsual = 240;  // most answers' size, so that they are written without growing

  std::string out_ = "{";
};

}  // namespace gcs::bridge
