#pragma once

#include <functional>
#include <map>
#include <string>

#include "bridge/message_type.h"
#include "bridge/messages.h"
#include "stdio/io/task.h"

namespace gcs::bridge {

/// From a message type to its handler. The handlers live in gcs/, which introduces the bridge to the runtime; they know
/// no session: they are given a request and give the payload of its answer. Filled once at start, outlives all
/// sessions.
class Dispatch {
 public:
  /// Gives the answer's payload, or the error that becomes one. The body is the coroutine's own.
  using Handler = std::function<io::Task<Result<std::string>>(Body)>;

  void serve(MessageType type, Handler handler) { handlers_[static_cast<uint32_t>(type)] = std::move(handler); }

  /// Asked before each handler; its error is then the answer.
  using Check = std::function<Result<>(uint32_t type, const Body& body)>;

  void check_first(Check check) { check_ = std::move(check); }

  /// The answer to a request, whatever it is: unknown types and exceptions too become payloads. One of the two places
  /// that catch everything; cancellation passes through.
  io::Task<std::string> answer(uint32_t type, Body body) const;

 private:
  std::map<uint32_t, Handler> handlers_;
  Check check_;
};

}  // namespace gcs::bridge
