#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "stdio/io/clock.h"
#include "tests/ttrpc/status.h"

namespace gcs::ttrpc {

using Metadata = std::vector<std::pair<std::string, std::string>>;

/// What a handler knows of its call besides the request. Lives as long as the call.
struct CallInfo {
  Metadata metadata;

  /// When the client gives up. It is for the handler to heed: nobody cuts it off.
  std::optional<io::Clock::TimePoint> deadline;
};

/// Where the messages of a server stream go.
class MessageSink {
 public:
  virtual ~MessageSink() = default;

  /// Waits while the client is slow. Errors: `exhausted` for a message that is too long, or one too many of all that
  /// wait on its connection, of which nothing is sent;
  /// `disconnected` when nobody takes messages any more.
  virtual io::Task<Result<>> send(std::string message) = 0;
};

// Handlers over bytes; typed.h has them over messages. A handler runs in a task of its connection and is cancelled when
// that ends. A stream's end is the handler's: an ok status ends it in order.
using UnaryHandler = std::function<io::Task<Answer<std::string>>(const CallInfo&, std::string request)>;
using StreamHandler = std::function<io::Task<Status>(const CallInfo&, std::string request, MessageSink&)>;

/// The methods of a server, by name. Filled before the first connection, and outlives the last one.
class Services {
 public:
  using Handler = std::variant<UnaryHandler, StreamHandler>;

  void add(const std::string& service, const std::string& method, Handler handler);

  /// `unimplemented`, in the protocol's words, when there is no such service or method.
  Answer<const Handler*> find(const std::string& service, const std::string& method) const;

 private:
  std::map<std::string, std::map<std::string, Handler>> services_;
};

}  // namespace gcs::ttrpc
