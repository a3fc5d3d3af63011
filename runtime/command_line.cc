#include "runtime/command_line.h"

namespace gcs::runtime {
namespace {

Error refused(std::string_view why) {
  return Error(Errc::invalid_argument, "CommandLine: " + std::string(why));
}

bool separates(char c) {
  return c == ' ' || c == '\t' || c == '\n';
}

/// One word at a time, from `rest_`'s front.
class Splitter {
 public:
  explicit Splitter(std::string_view line) : rest_(line) {}

  Result<std::vector<std::string>> run() {
    std::vector<std::string> words;
    for (;;) {
      while (!rest_.empty() && separates(rest_.front())) take();
      if (rest_.empty()) return words;
      std::string word;
      while (!rest_.empty() && !separates(rest_.front())) {
        const auto part = append_part(word);
        if (!part) return part.error();
      }
      words.push_back(std::move(word));
    }
  }

 private:
  char take() {
    const char c = rest_.front();
    rest_.remove_prefix(1);
    return c;
  }

  Result<> append_part(std::string& word) {
    const char c = take();
    if (c == '\'') return append_quoted(word);
    if (c == '"') return append_double_quoted(word);
    if (c != '\\') {
      word += c;
      return {};
    }
    if (rest_.empty()) return refused("ends with a backslash");
    const char kept = take();
    if (kept != '\n') word += kept;  // an escaped newline joins two lines
    return {};
  }

  Result<> append_quoted(std::string& word) {
    const size_t end = rest_.find('\'');
    if (end == std::string_view::npos) return refused("a single quote is not closed");
    word += rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return {};
  }

  Result<> append_double_quoted(std::string& word) {
    while (!rest_.empty()) {
      const char c = take();
      if (c == '"') return {};
      if (c != '\\' || rest_.empty()) {
        word += c;
        continue;
      }
      const char next = take();
      if (next == '\n') continue;
      if (next != '$' && next != '`' && next != '"' && next != '\\') word += '\\';
      word += next;
    }
    return refused("a double quote is not closed");
  }

  std::string_view rest_;
};

}  // namespace

Result<std::vector<std::string>> split_command_line(std::string_view line) {
  if (line.find('\0') != std::string_view::npos) return refused("holds a NUL");
  return Splitter(line).run();
}

}  // namespace gcs::runtime
