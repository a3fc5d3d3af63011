#pragma once

#include <functional>
#include <memory>

#include "bridge/dispatch.h"
#include "bridge/frame_reader.h"
#include "bridge/outbox.h"
#include "stdio/io/dialer.h"
#include "stdio/io/task_group.h"

namespace gcs::bridge {

/// Where the host listens for the bridge (wire.md 1).
inline constexpr io::Port kBridgePort = 0x40000000;

/// What outlives the sessions and is lent to each: the outbox with its wake-up, the handlers, and the group in which
/// they run. Owned by the service.
struct Exchange {
  explicit Exchange(io::Executor executor) : changed(executor, "outbox"), turn(executor, "turn"), requests(executor) {}

  /// Puts a frame into the outbox and wakes the writer.
  void push(Outgoing outgoing);

  /// Sequential mode: lets the next request run.
  void end_turn();

  Outbox outbox;
  Dispatch dispatch;
  std::function<void()> on_opened;  ///< the host has named one more container
  bool sequential = false;          ///< one request after the other, waits excepted (wire.md 4)

  io::Condition changed;     ///< the outbox has something new to write, or room again
  io::Condition turn;        ///< sequential mode: the request before has ended
  uint64_t next_ticket = 0;  ///< of the next request
  uint64_t serving = 0;      ///< the ticket whose turn it is
  size_t request_bytes = 0;  ///< frames of the requests being handled
  io::TaskGroup requests;
};

/// One life of the bridge: from a connection to its loss. Negotiation happens inline in the reader, so that a request
/// right behind it is read with the right version. Nothing that must survive an outage is kept here.
class Session {
 public:
  /// `number` counts up from 1; the clock outlives the exchange's requests. `on_negotiated` is called once, inside the
  /// reader, when the host may be spoken to: with the connection, which stays until run() has returned.
  Session(std::unique_ptr<io::Stream> conn, uint64_t number, Exchange& exchange, io::Clock& clock,
          std::function<void(const io::Stream&)> on_negotiated);

  /// Serves until the connection is lost, and says why. The writer has ended by then, and the outbox has what it had
  /// not written.
  io::Task<Error> run();

 private:
  io::Task<Error> read();
  io::Task<> write();
  io::Task<size_t> send(std::string_view bytes);
  io::Task<> await_end();
  bool all_read(const Error& loss) const;
  void confirm(bool host_spoke);
  void negotiate(const Header& header, const Body& body);
  void begin(const Header& header, Body body);

  std::unique_ptr<io::Stream> conn_;
  uint64_t number_;
  Exchange& exchange_;
  io::Clock& clock_;
  std::function<void(const io::Stream&)> on_negotiated_;
  FrameReader reader_;
  std::optional<uint64_t> first_id_;  // of the first negotiate: tells a new host from a returning one
  uint32_t version_ = 0;
  int write_error_ = 0;     // errno of the writer's end
  bool given_up_ = false;   // after that, its end did not come
  bool all_taken_ = false;  // by then
  bool over_ = false;       // the reader has ended
  io::TaskGroup writer_;
};

}  // namespace gcs::bridge
