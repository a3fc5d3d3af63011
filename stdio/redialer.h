#pragma once

#include "stdio/channel.h"

namespace gcs::stdio {

/// Waits for a session, then dials `port` until the host listens: every 10 ms, for at most 15 s of a healthy session
/// (after that the host has no use for the stream any more). Empty when that limit passed. An outage meanwhile starts
/// the wait again.
io::Task<Conn> redial(StdioContext& context, io::Port port);

}  // namespace gcs::stdio
