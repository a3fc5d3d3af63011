#include "tests/support/shell.h"

#include <doctest/doctest.h>

#include <cstdio>

namespace gcs::test {

std::string sh(const std::string& command) {
  std::FILE* pipe = ::popen((command + " 2>&1").c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string text;
  char chunk[4096];
  while (const size_t n = std::fread(chunk, 1, sizeof chunk, pipe)) text.append(chunk, n);
  CHECK_MESSAGE(::pclose(pipe) == 0, command << ": " << text);
  return text;
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

}  // namespace gcs::test
