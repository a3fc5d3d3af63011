#pragma once

#include <deque>
#include <memory>
#include <string>

#include "stdio/io/condition.h"
#include "stdio/io/stream.h"
#include "tests/host/json_value.h"

namespace gcs::host {

/// JSON objects, one a line, both ways over one connection. Shared by the task that reads and the one that writes; both
/// end once it is closed.
class LineChannel {
 public:
  LineChannel(io::Executor executor, std::unique_ptr<io::Stream> stream)
      : stream_(std::move(stream)), more_(executor, "control channel") {}

  /// Queues one object.
  void send(const json& value);

  /// Writes what is queued, until close() or the peer goes. Keeps the channel alive: whoever reads may leave first.
  static io::Task<> write(std::shared_ptr<LineChannel> channel);

  /// The next object; `disconnected` at the end, `malformed` for what is none.
  io::Task<Result<json>> next();

  void close();

 private:
  std::unique_ptr<io::Stream> stream_;
  std::deque<std::string> out_;
  std::string in_;
  io::Condition more_;
  bool closed_ = false;
};

}  // namespace gcs::host
