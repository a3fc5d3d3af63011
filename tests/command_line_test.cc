#include "runtime/command_line.h"

#include <doctest/doctest.h>

using gcs::Errc;
using gcs::runtime::split_command_line;
using Words = std::vector<std::string>;

namespace {

Words split(std::string_view line) {
  auto words = split_command_line(line);
  REQUIRE(words);
  return *words;
}

void check_refused(std::string_view line) {
  CAPTURE(line);
  const auto words = split_command_line(line);
  REQUIRE_FALSE(words);
  CHECK(words.error().code() == Errc::invalid_argument);
  CHECK(words.error().message().find("CommandLine") == 0);
}

}  // namespace

TEST_CASE("command line: blanks separate words, however many there are") {
  CHECK(split("ls -l /run") == Words{"ls", "-l", "/run"});
  CHECK(split("  ls \t -l\n/run  ") == Words{"ls", "-l", "/run"});
  CHECK(split("").empty());
  CHECK(split(" \t\n ").empty());
}

TEST_CASE("command line: quotes keep blanks, and each kind keeps the other") {
  CHECK(split("sh -c 'echo a  b'") == Words{"sh", "-c", "echo a  b"});
  CHECK(split("sh -c \"echo 'a  b'\"") == Words{"sh", "-c", "echo 'a  b'"});
  CHECK(split("'say \"hi\"'") == Words{"say \"hi\""});
}

TEST_CASE("command line: parts without a blank between them are one word") {
  CHECK(split("a'b c'\"d e\"f") == Words{"ab cd ef"});
  CHECK(split("--name='x y'") == Words{"--name=x y"});
}

TEST_CASE("command line: empty quotes are an empty word") {
  CHECK(split("a '' \"\" b") == Words{"a", "", "", "b"});
}

TEST_CASE("command line: a backslash keeps the next character outside quotes") {
  CHECK(split("a\\ b \\\\ \\' \\\" \\n") == Words{"a b", "\\", "'", "\"", "n"});
  CHECK(split("a\\\nb") == Words{"ab"});
}

TEST_CASE("command line: in double quotes a backslash acts only where a shell lets it") {
  CHECK(split(R"("\$ \` \" \\ \n \a")") == Words{R"($ ` " \ \n \a)"});
  CHECK(split("\"a\\\nb\"") == Words{"ab"});
}

TEST_CASE("command line: in single quotes a backslash is a backslash") {
  CHECK(split(R"('a\b\\')") == Words{R"(a\b\\)"});
}

TEST_CASE("command line: nothing is expanded, and operators are text") {
  CHECK(split("echo $HOME `id` * ~ #x ; a|b>c &") == Words{"echo", "$HOME", "`id`", "*", "~", "#x", ";", "a|b>c", "&"});
}

TEST_CASE("command line: an open end is refused") {
  check_refused("echo 'a");
  check_refused("echo \"a");
  check_refused("echo \"a\\\"");
  check_refused("echo \"a\\");
  check_refused("echo a\\");
  check_refused("'");
  check_refused(std::string_view("a\0b", 3));
}
