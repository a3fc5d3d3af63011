#pragma once

#include <cstddef>

#include "stdio/io/stream.h"

namespace gcs::host {

/// What becomes of bytes that the guest has sent, and the host has not read, when a connection is cut.
enum class Unread { take, leave };

/// How many of them a connection holds; 0 where the transport does not tell.
size_t unread_bytes(const io::Stream& stream);

}  // namespace gcs::host
