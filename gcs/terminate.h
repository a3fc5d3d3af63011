#pragma once

namespace gcs {

/// From now on an exception that nobody catches (a bug) is told in the log, as one line of its form, before the process
/// aborts: the host's reader takes the first line that is none for the end of the log (wire.md 1.1).
void log_before_terminating();

}  // namespace gcs
