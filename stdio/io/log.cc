#include "stdio/io/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/base_sink.h>
#include <spdlog/spdlog.h>
#include <unistd.h>

#include <memory>
#include <mutex>

namespace gcs::log {
namespace {

/// Writes whole lines to a descriptor and never fails its caller: a log that cannot be written is lost.
class FdSink final : public spdlog::sinks::base_sink<std::mutex> {
 public:
  explicit FdSink(int fd) : fd_(fd) {}

 private:
  void sink_it_(const spdlog::details::log_msg& message) override {
    spdlog::memory_buf_t line;
    formatter_->format(message, line);
    size_t done = 0;
    while (done < line.size()) {
      const ssize_t n = ::write(fd_, line.data() + done, line.size() - done);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return;
      done += static_cast<size_t>(n);
    }
  }
  void flush_() override {}

  int fd_;
};

Format form = Format::text;
bool silent = false;

// The formatted record is the payload (fields escaped as the form wants); the pattern adds time and level.
// Level names are logrus's, as the host's reader wants them.
constexpr const char* kTextPattern = "%Y-%m-%dT%H:%M:%S.%f%z %l %v";
constexpr const char* kJsonPattern = R"({"time":"%Y-%m-%dT%H:%M:%S.%f%z","level":"%l",%v})";

std::unique_ptr<spdlog::logger> make_logger(Level level, Format format, int fd);

std::unique_ptr<spdlog::logger>& logger() {
  static std::unique_ptr<spdlog::logger> made = make_logger(Level::info, Format::text, STDERR_FILENO);
  return made;
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

std::unique_ptr<spdlog::logger> make_logger(Level level, Format format, int fd) {
  form = format;
  auto made = std::make_unique<spdlog::logger>("gcs", std::make_shared<FdSink>(fd));
  made->set_pattern(format == Format::json ? kJsonPattern : kTextPattern, spdlog::pattern_time_type::utc);
  made->set_level(to_spdlog(level));
  return made;
}

void append_escaped(std::string& line, std::string_view text) {
  constexpr char kHex[] = "0123456789abcdef";
  for (const char c : text) {
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

}  // namespace

void configure(Level level, Format format, int fd) {
  logger() = make_logger(level, format, fd);
}

void mute(bool muted) {
  silent = muted;
}

bool enabled(Level level) {
  return !silent && logger()->should_log(to_spdlog(level));
}

void write(Level level, std::string_view event, Fields fields) {
  if (!enabled(level)) return;
  std::string line;
  if (form == Format::json) {
    append_json(line, Field("msg", event));
    for (const Field& field : fields) {
      if (field.text().empty()) continue;
      line += ',';
      append_json(line, field);
    }
  } else {
    line += event;
    for (const Field& field : fields) {
      if (field.text().empty()) continue;
      line += ' ';
      append_text(line, field);
    }
  }
  logger()->log(to_spdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

}  // namespace gcs::log
