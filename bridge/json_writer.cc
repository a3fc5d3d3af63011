#include "bridge/json_writer.h"

#include <nlohmann/json.hpp>
#include <utility>

namespace gcs::bridge {

namespace {

/// Bytes of the character or escape that begins at `at` in a valid string literal.
size_t unit_size(std::string_view literal, size_t at) {
  const auto lead = static_cast<unsigned char>(literal[at]);
  if (lead == '\\') return literal[at + 1] == 'u' ? 6 : 2;
  if (lead < 0x80) return 1;
  if (lead < 0xe0) return 2;
  return lead < 0xf0 ? 3 : 4;
}

}  // namespace

std::string quote(std::string_view text) {
  const nlohmann::json value = std::string(text);
  return value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::string quote_within(std::string_view text, size_t limit) {
  // Quoting never shortens, so what lies beyond the limit need not be looked at.
  std::string literal = quote(text.substr(0, limit));
  if (text.size() <= limit && literal.size() <= limit) return literal;
  const size_t room = limit - 1 - kCutMark.size();
  size_t end = 1;
  while (end < literal.size() - 1) {
    const size_t next = end + unit_size(literal, end);
    if (next > room) break;
    end = next;
  }
  literal.resize(end);
  literal += kCutMark;
  literal += '"';
  return literal;
}

ObjectWriter& ObjectWriter::raw(std::string_view name, std::string_view json) {
  if (out_.size() > 1) out_ += ',';
  out_ += '"';
  out_ += name;
  out_ += "\":";
  out_ += json;
  return *this;
}

std::string ObjectWriter::finish() {
  out_ += '}';
  return std::exchange(out_, "{");
}

}  // namespace gcs::bridge
