#pragma once

#include "stdio/io/log_sink.h"

/// The log's destinations, for the program that serves them; everybody else needs log.h alone.
namespace gcs::log {

/// What configure() was given, or null if that was no descriptor. It goes with the next configure(), or with the
/// program; a slow reader gets 200 ms then to take what is left.
FdSink* descriptor();

/// From the first call on, every record also waits here, as JSON, until the log port takes it.
LineQueue& keep_for_port();

}  // namespace gcs::log
