#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// What an OCI runtime said when it failed, as an `Error`: its text, cleaned and cut to some hundred bytes, with the
/// code that it stands for. Knows runc (1.0 and later, with its "time=… level=error msg=…" lines) and crun.
Error error_of_runtime(std::string_view text);

/// The message of the last entry of level error or worse in a JSON log file (one object a line). Empty when there
/// is none or the file cannot be read. Reads the last 64 KiB at most.
std::optional<std::string> last_log_error(const std::string& path);

}  // namespace gcs::runtime
