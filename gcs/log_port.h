#pragma once

#include "stdio/io/dialer.h"
#include "stdio/io/log_queue.h"
#include "stdio/io/task_group.h"

namespace gcs {

/// Sends the log to a port of the host, which needs no wrapper around the agent then (`-log-port`). Owned by the
/// Service.
///
/// It dials by itself, at the bridge's pace but without regard to it. During an outage the lines wait in their queue,
/// whose oldest go first when there are too many. The line that was in transit when the connection broke is sent again,
/// whole, so one connection carries whole lines and nothing else; what the host's end had taken by then is lost with
/// it.
class LogPort {
 public:
  LogPort(io::Executor executor, io::Dialer& dialer, io::Clock& clock)
      : executor_(executor), dialer_(dialer), clock_(clock), settled_(executor, "log port"), group_(executor) {}

  /// Starts to dial. `lines` outlives this object, and nobody else takes from it.
  void start(io::Port port, log::LineQueue& lines);

  /// Waits until the host has taken what is left: 200 ms at most, and not without a connection.
  io::Task<> flush();

  /// flush(), and no more after that.
  io::Task<> stop();

 private:
  io::Task<> run(io::Port port);
  io::Task<> serve(io::Stream& conn);
  io::Task<> send_lines(io::Stream& conn);

  io::Executor executor_;
  io::Dialer& dialer_;
  io::Clock& clock_;
  log::LineQueue* lines_ = nullptr;
  log::LineBatch batch_;  ///< taken from the queue, and not yet by the host
  bool connected_ = false;
  io::Condition settled_;
  io::TaskGroup group_;
};

}  // namespace gcs
