#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <type_traits>

/// The log as everybody sees it: one event, then key=value fields. Where it goes and in which form is decided once, by
/// log::configure(); until then records of level info and above go to stderr as text.
///
/// The JSON form is that of wire.md 1.1: one object a line with `time`, `level`, `msg` and the fields beside them.
namespace gcs::log {

enum class Level { trace, debug, info, warning, error, fatal };

/// A field's value as it is to be printed; numbers stay numbers in JSON, and a field without text is left out.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), text_(value) {}
  Field(std::string_view key, const std::string& value) : key_(key), text_(value) {}
  Field(std::string_view key, const char* value) : key_(key), text_(value) {}
  template <class Int, class = std::enable_if_t<std::is_integral_v<Int>>>
  Field(std::string_view key, Int value) : key_(key), text_(std::to_string(value)), number_(true) {}

  std::string_view key() const { return key_; }
  const std::string& text() const { return text_; }
  bool is_number() const { return number_; }

 private:
  std::string_view key_;
  std::string text_;
  bool number_ = false;
};

using Fields = std::initializer_list<Field>;

enum class Format { text, json };

/// Sets level, form and destination: a descriptor that stays open for the life of the process, or -1 for none. What a
/// pipe or a socket does not take at once is kept, within bounds, and no caller waits for it (log_sink.h).
void configure(Level level, Format format, int fd);

/// Discards everything from now on, or stops doing so.
void mute(bool muted);

/// True when a record of this level would be written: asked before a costly field is made.
bool enabled(Level level);

void write(Level level, std::string_view event, Fields fields = {});

inline void trace(std::string_view event, Fields fields = {}) {
  write(Level::trace, event, fields);
}
inline void debug(std::string_view event, Fields fields = {}) {
  write(Level::debug, event, fields);
}
inline void info(std::string_view event, Fields fields = {}) {
  write(Level::info, event, fields);
}
inline void warn(std::string_view event, Fields fields = {}) {
  write(Level::warning, event, fields);
}
inline void error(std::string_view event, Fields fields = {}) {
  write(Level::error, event, fields);
}

}  // namespace gcs::log
