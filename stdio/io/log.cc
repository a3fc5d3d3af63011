#include "stdio/io/log.h"

#include <spdlog/details/log_msg.h>
#include <spdlog/pattern_formatter.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "stdio/io/log_output.h"

namespace gcs::log {
namespace {

// The formatted record is the payload (fields escaped as the form wants); the pattern adds time and level.
// Level names are logrus's, as the host's reader wants them.
constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%f%z %l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%f%z","level":"%l",%v})";

void append_escaped(std::string& line, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  const auto is_plain = [](char c) { return c >= 0x20 && c < 0x7f && c != '"' && c != '\\'; };
  const auto odd = std::find_if_not(text.begin(), text.end(), is_plain);
  line.append(text.begin(), odd);
  for (const char c : std::string_view(odd, text.end())) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      line += '\\';
      line += c;
    } else if (c == '\n') {
      line += "\\n";
    } else if (byte < 0x20 || byte >= 0x7f) {
      // Bytes beyond ASCII come from anywhere and need not be UTF-8; as code points they never break the reader.
      line += "\\u00";
      line += kHex[byte >> 4];
      line += kHex[byte & 15];
    } else {
      line += c;
    }
  }
}

void append_json(std::string& line, const Field& field) {
  line += '"';
  append_escaped(line, field.key());
  line += "\":";
  if (field.is_number()) {
    line += field.text();
    return;
  }
  line += '"';
  append_escaped(line, field.text());
  line += '"';
}

void append_text(std::string& line, const Field& field) {
  line += field.key();
  line += '=';
  if (field.is_number()) {
    line += field.text();
    return;
  }
  line += '"';
  append_escaped(line, field.text());
  line += '"';
}

std::string payload_of(Format format, std::string_view event, Fields fields) {
  std::string line;
  if (format == Format::json) {
    append_json(line, Field("msg", event));
    for (const Field& field : fields) {
      if (field.text().empty()) continue;
      line += ',';
      append_json(line, field);
    }
    return line;
  }
  line += event;
  for (const Field& field : fields) {
    if (field.text().empty()) continue;
    line += ' ';
    append_text(line, field);
  }
  return line;
}

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::trace: return spdlog::level::trace;
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
    case Level::fatal: return spdlog::level::critical;
  }
  return spdlog::level::info;
}

/// Makes whole lines of records.
class Formatter {
 public:
  explicit Formatter(Format format)
      : format_(format),
        pattern_(format == Format::json ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc, "\n") {}

  std::string line(Level level, std::string_view event, Fields fields) {
    const std::string payload = payload_of(format_, event, fields);
    const spdlog::details::log_msg record({}, to_spdlog(level), payload);
    spdlog::memory_buf_t text;
    pattern_.format(record, text);
    return std::string(text.data(), text.size());
  }

 private:
  Format format_;
  spdlog::pattern_formatter pattern_;
};

// How long a slow reader may hold up the program's end.
constexpr std::chrono::milliseconds kLastFlush{200};

/// One form of the log with the lines that its destination has not taken yet.
struct Output {
  Formatter formatter;
  LineQueue lines;
  std::optional<FdSink> sink;  ///< none: somebody else takes the lines

  explicit Output(Format format)
      : formatter(format), lines([format](uint64_t count) {
          return Formatter(format).line(Level::warning, "log lines dropped", {{"count", count}});
        }) {}

  Output(Format format, int fd) : Output(format) { sink.emplace(lines, fd); }

  ~Output() {
    if (sink) sink->flush_within(kLastFlush);
  }

  void write(Level level, std::string_view event, Fields fields) {
    lines.push(formatter.line(level, event, fields));
    if (!sink || !sink->flush()) lines.wake().signal();
  }
};

struct State {
  std::recursive_mutex mutex;  ///< of the outputs: helper threads log too, and a failure in here ends in a last record
  std::unique_ptr<Output> main = std::make_unique<Output>(Format::text, STDERR_FILENO);
  std::unique_ptr<Output> port;
  Level level = Level::info;
  bool silent = false;
};

State& state() {
  static State made;
  return made;
}

}  // namespace

void configure(Level level, Format format, int fd) {
  const std::lock_guard lock(state().mutex);
  state().level = level;
  state().main = fd < 0 ? nullptr : std::make_unique<Output>(format, fd);
}

void mute(bool muted) {
  state().silent = muted;
}

bool enabled(Level level) {
  return !state().silent && level >= state().level;
}

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  const std::lock_guard lock(state().mutex);
  for (Output* output : {state().main.get(), state().port.get()}) {
    if (output != nullptr) output->write(level, event, fields);
  }
}

FdSink* descriptor() {
  const std::unique_ptr<Output>& main = state().main;
  return main ? &*main->sink : nullptr;
}

LineQueue& keep_for_port() {
  const std::lock_guard lock(state().mutex);
  if (!state().port) state().port = std::make_unique<Output>(Format::json);
  return state().port->lines;
}

}  // namespace gcs::log
