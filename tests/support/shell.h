#pragma once

#include <string>

namespace gcs::test {

/// What a command prints; its failure fails the test.
std::string sh(const std::string& command);

/// Whether `part` is in `text`.
bool has(const std::string& text, const std::string& part);

}  // namespace gcs::test
