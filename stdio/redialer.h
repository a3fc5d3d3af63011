#pragma once

#include "stdio/channel.h"

namespace gcs::stdio {

/// Waits for a session whose host has opened the container, then dials `port` until the host listens: every 10 ms, for
/// at most 15 s (after that the host has no use for the stream any more). Empty when that limit passed. An outage
/// meanwhile starts the wait again.
io::Task<Conn> redial(StdioContext& context, const std::string& container_id, io::Port port);

}  // namespace gcs::stdio
