#include "bridge/json_writer.h"

#include <algorithm>
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

bool is_ascii(char c) {
  return static_cast<unsigned char>(c) < 0x80;
}

bool is_escaped(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
}

void append_escape(std::string& literal, char c) {
  constexpr std::string_view kHex = "0123456789abcdef";
  literal += '\\';
  switch (c) {
    case '\b': literal += 'b'; break;
    case '\f': literal += 'f'; break;
    case '\n': literal += 'n'; break;
    case '\r': literal += 'r'; break;
    case '\t': literal += 't'; break;
    case '"':
    case '\\': literal += c; break;
    default:
      literal += "u00";
      literal += kHex[static_cast<size_t>(c) >> 4];
      literal += kHex[static_cast<size_t>(c) & 15];
  }
}

/// Nearly all that is quoted is this, and a library's serializer costs more to set up than to run.
std::string quote_ascii(std::string_view text) {
  std::string literal;
  literal.reserve(text.size() + 2);
  literal += '"';
  while (!text.empty()) {
    const auto run = static_cast<size_t>(std::find_if(text.begin(), text.end(), is_escaped) - text.begin());
    literal += text.substr(0, run);
    text.remove_prefix(run);
    if (text.empty()) break;
    append_escape(literal, text.front());
    text.remove_prefix(1);
  }
  literal += '"';
  return literal;
}

}  // namespace

std::string quote(std::string_view text) {
  if (std::all_of(text.begin(), text.end(), is_ascii)) return quote_ascii(text);
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
