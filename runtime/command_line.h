#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// Splits a command line into words as a POSIX shell does, without any expansion: blanks and newlines separate, single
/// quotes keep everything, double quotes keep all but backslash before $ ` " \ and newline, a backslash outside quotes
/// keeps the next character. Adjacent parts are one word and '' is an empty one. Operators, comments and globs are
/// plain text. An open quote, a backslash at the end and a NUL are `invalid_argument` for CommandLine.
Result<std::vector<std::string>> split_command_line(std::string_view line);

}  // namespace gcs::runtime
