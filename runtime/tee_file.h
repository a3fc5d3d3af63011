#pragma once

#include <string>

#include "stdio/io/fd.h"

/// The file that an init process's output is also appended to, below the pod's directory of logs. Containers may write
/// there, so that paths are resolved with that directory as their root: no link leads out of it. Blocking.
namespace gcs::runtime {

/// A clean path below the logs, of at most 32 directories; else `invalid_argument` for `field`.
Result<std::string> check_tee_path(const std::string& field, const std::string& path);

/// Makes the directory of logs, and those of a tee path (may be empty: none) in it; for all to write (0777).
Result<> make_log_dirs(const std::string& logs_dir, const std::string& tee_path);

/// Opens the file to append to, made for all to read and write. `invalid_argument` for what is no regular file.
Result<io::Fd> open_tee_file(const std::string& logs_dir, const std::string& tee_path);

}  // namespace gcs::runtime
