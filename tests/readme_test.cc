// The README says of each request, resource and flag what shows it. Whatever it names has to be there.

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/temp_dir.h"

namespace gcs::test {
namespace {

const std::string kRoot = std::string(GCS_CORPUS) + "/../..";

std::string replaced(std::string text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != text.npos; at += to.size()) text.replace(at, from.size(), to);
  return text;
}

/// String literals that stand behind each other become one.
std::string joined_literals(std::string text) {
  for (size_t at = 0; (at = text.find("\"\n", at)) != text.npos;) {
    const size_t next = text.find_first_not_of(" \n", at + 1);
    if (next == text.npos || text[next] != '"') {
      ++at;
      continue;
    }
    text.erase(at, next - at + 1);
  }
  return text;
}

/// The files, below the root, in which what a row calls `name` is written.
std::vector<std::string> files_of(const std::string& name) {
  if (name.starts_with("vm ") || name.starts_with("demo ")) {
    const std::string scene = name.substr(name.find(' ') + 1);
    return {"initrd/scenes/" + scene + ".sh", "initrd/scenes/words.sh", "tests/vm"};
  }
  if (name == "chaos") return {"tests/chaos/verdict.cc"};
  if (name == "containers" || name == "resume" || name == "migrate") return {"tests/" + name};
  if (name[0] >= '0' && name[0] <= '9') return {"tests/corpus/transcripts/" + name + ".json"};
  return {"tests/" + name + ".cc"};
}

/// A case's name goes on with the quoted words behind its colon; a claim of a script has them anywhere.
bool holds(const std::string& text, std::string quote, bool is_case) {
  constexpr std::string_view kConsole = "the console says: ";
  if (quote.starts_with(kConsole)) quote = quote.substr(kConsole.size());
  if (!is_case) return text.find(quote) != text.npos;
  const std::string of_macro = "(" + replaced(quote, " ", "_");  // the macros of suites take identifiers
  return text.find(": " + quote) != text.npos || text.find(of_macro) != text.npos;
}

/// What stands between the ticks and quotes of a cell, in order.
struct Word {
  bool is_name;
  std::string text;
};

std::vector<Word> words_in(std::string_view cell) {
  std::vector<Word> words;
  for (size_t at = 0; (at = cell.find_first_of("`\"", at)) != cell.npos;) {
    size_t end = cell.find(cell[at], at + 1);
    while (end != cell.npos && cell[end - 1] == '\\') end = cell.find(cell[at], end + 1);
    if (end == cell.npos) break;
    words.push_back({cell[at] == '`', replaced(std::string(cell.substr(at + 1, end - at - 1)), "\\\"", "\"")});
    at = end + 1;
  }
  return words;
}

void check_cell(std::string_view cell) {
  std::string name, text;
  for (const Word& word : words_in(cell)) {
    CAPTURE(name);
    CAPTURE(word.text);
    if (!word.is_name) {
      const bool is_case = name != "chaos" && files_of(name).front().ends_with(".cc");
      CHECK(holds(text, word.text, is_case));
      continue;
    }
    name = word.text;
    text.clear();
    const auto files = files_of(name);
    CHECK(exists(kRoot + "/" + files.front()));
    for (const std::string& file : files) {
      const std::string path = kRoot + "/" + file;
      text += replaced(joined_literals(get_file(path)), "\\\"", "\"");
    }
  }
}

}  // namespace

TEST_CASE("readme: every test that its tables name is there, with a case or a claim that goes on as they quote") {
  const std::string readme = get_file(kRoot + "/README.md");
  const size_t begin = readme.find("\n## Request by request\n");
  const size_t end = readme.find("\n## ", begin + 1);
  REQUIRE(begin != readme.npos);
  REQUIRE(end != readme.npos);
  int rows = 0;
  for (size_t at = begin; at < end; at = readme.find('\n', at + 1)) {
    const size_t line_end = readme.find('\n', at + 1);
    const std::string_view line = std::string_view(readme).substr(at + 1, line_end - at - 1);
    if (!line.starts_with("| ")) continue;
    const size_t last = line.rfind(" | ");
    REQUIRE(last != line.npos);
    check_cell(line.substr(last + 3));
    ++rows;
  }
  CHECK(rows > 300);
}

}  // namespace gcs::test
