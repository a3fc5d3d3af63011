#pragma once

#include <memory>
#include <string>

#include "stdio/io/dialer.h"

namespace gcs::host {

/// A Unix socket under exactly this path, mode 0600; its directory is made when missing. A socket nobody listens on any
/// more is replaced, a live one is `already_exists`.
Result<std::unique_ptr<io::Listener>> listen_control(io::Engine& engine, const std::string& path);

io::Task<Result<std::unique_ptr<io::Stream>>> dial_control(io::Engine& engine, std::string path);

}  // namespace gcs::host
