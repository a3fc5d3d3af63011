#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "stdio/io/task_group.h"
#include "tests/ttrpc/frame.h"
#include "tests/ttrpc/frame_queue.h"
#include "tests/ttrpc/services.h"

namespace gcs::ttrpc {

struct CallOptions {
  explicit CallOptions(std::optional<io::Clock::Duration> limit = std::nullopt, Metadata entries = {})
      : timeout(limit), metadata(std::move(entries)) {}

  /// Told to the server, and kept here: past it the call is `deadline_exceeded`, and what comes later is dropped.
  std::optional<io::Clock::Duration> timeout;
  Metadata metadata;
};

/// What has come for one call. Shared by who waits for it and the client, which forgets it when nobody waits.
class Inbox;

/// The messages of one server stream. Given up by letting it go: the protocol has no word for that.
class ServerStream {
 public:
  ServerStream(std::shared_ptr<Inbox> inbox, io::Clock& clock, std::optional<io::Clock::TimePoint> deadline);
  ServerStream(ServerStream&&) = default;
  ServerStream& operator=(ServerStream&&) = default;
  ~ServerStream();

  /// The next message; nothing at the stream's end, and ever after; the status of a stream that failed.
  io::Task<Answer<std::optional<std::string>>> next();

 private:
  std::shared_ptr<Inbox> inbox_;
  io::Clock* clock_;
  std::optional<io::Clock::TimePoint> deadline_;
};

/// A client's side of one connection: any number of calls at a time, each a stream. When the connection is lost every
/// call fails with `unavailable`, to_error()'s `disconnected`, and so does any later one: dial again, and make another.
///
/// Bytes only; typed.h has calls over messages. Loop thread only. Stop it before it goes, and outlive no call with it.
class Client {
 public:
  Client(io::Executor executor, io::Clock& clock, std::unique_ptr<io::Stream> stream);
  ~Client();

  /// A unary call.
  io::Task<Answer<std::string>> call(std::string service, std::string method, std::string request,
                                     CallOptions options = CallOptions());

  /// A call whose answer is a stream. Whoever leaves messages unread holds up the other calls for a second at most, and
  /// then loses the stream (`resource_exhausted`).
  io::Task<Answer<ServerStream>> open(std::string service, std::string method, std::string request,
                                      CallOptions options = CallOptions());

  bool connected() const { return !loss_.has_value(); }

  /// Calls that are being waited for.
  size_t in_flight() const;

  io::Task<> stop();

 private:
  io::Task<> read();
  io::Task<> write();
  io::Task<Answer<std::shared_ptr<Inbox>>> begin(bool streaming, std::string service, std::string method,
                                                 std::string request, Metadata metadata,
                                                 std::optional<io::Clock::TimePoint> deadline);
  std::optional<io::Clock::TimePoint> deadline_of(const CallOptions& options) const;
  std::shared_ptr<Inbox> take(const Frame& frame);
  io::Task<> hold_back(const std::shared_ptr<Inbox>& inbox);
  void forget_abandoned();
  void lose(const std::string& why);

  io::Executor executor_;
  io::Clock& clock_;
  std::unique_ptr<io::Stream> stream_;
  FrameParser parser_;
  FrameQueue out_;
  uint32_t next_id_ = 1;
  std::map<uint32_t, std::weak_ptr<Inbox>> streams_;
  size_t look_at_ = 64;  // streams_.size() at which those are forgotten that nobody waits for
  std::optional<Status> loss_;
  io::TaskGroup group_;
};

}  // namespace gcs::ttrpc
