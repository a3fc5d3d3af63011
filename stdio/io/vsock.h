#pragma once

#include <chrono>

#include "stdio/io/fd.h"

namespace gcs::io {

/// A connected AF_VSOCK stream, made by blocking: for PID 1, which has no loop.
Result<Fd> vsock_connect_blocking(unsigned cid, unsigned port, std::chrono::milliseconds limit);

}  // namespace gcs::io
