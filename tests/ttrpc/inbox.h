#pragma once

#include <deque>
#include <optional>
#include <string>

#include "stdio/io/condition.h"
#include "tests/ttrpc/status.h"

namespace gcs::ttrpc {

/// What has come for one call of a client and was not taken: messages, then how it ended.
class Inbox {
 public:
  Inbox(io::Executor executor, bool streaming) : changed(executor, "ttrpc answer"), streaming_(streaming) {}

  bool streaming() const { return streaming_; }
  bool ended() const { return ended_.has_value(); }
  bool anything() const { return ended() || !messages_.empty(); }

  /// Bytes of the messages, and what it costs to hold them.
  size_t held() const { return held_; }

  void put(std::string message);
  void end(Status status);

  /// The next message; nothing once all are taken, and then status() is the end.
  std::optional<std::string> take();
  const Status& status() const { return *ended_; }

  io::Condition changed;

 private:
  bool streaming_;
  std::deque<std::string> messages_;
  size_t held_ = 0;
  std::optional<Status> ended_;
};

}  // namespace gcs::ttrpc
