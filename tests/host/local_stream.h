#pragma once

#include <memory>

#include "stdio/io/engine.h"

namespace gcs::host {

enum class Direction { input, output };

/// One of the caller's own descriptors as a stream, without a change that outlives us: the open file may be the shell's
/// terminal, so it must never be made non-blocking. Pipes and terminals are opened anew instead, everything else is
/// used as it is, after a poll where one is possible. The descriptor stays open as long as the stream.
std::unique_ptr<io::Stream> open_local(io::Engine& engine, int fd, Direction direction);

}  // namespace gcs::host
