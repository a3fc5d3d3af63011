#pragma once

#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "stdio/io/dialer.h"
#include "stdio/io/task_group.h"
#include "tests/host/json_value.h"
#include "tests/host/message.h"
#include "tests/host/unread.h"

namespace gcs::host {

/// One request that waits for its answer. Shared by who asked and the client.
class Call;

/// The host's end of the bridge: listens, takes the guest's connection, negotiates, asks, and checks every frame as the
/// real host does. One object is one host as the guest knows it: ids run on over its connections.
///
///     idle ──accept──▶ connected ──connection lost──▶ lost ──accept──▶ connected
///                          └──the guest broke a rule──▶ ended, for good: why() says which
///
/// A loss ends the calls in flight, unless keep_calls() is on: then they wait for the next connection, as those of a
/// host that migrates do; a negotiation ends with its connection all the same, and so does a call of which the
/// connection had not taken every byte. Stop it and join before it goes.
class BridgeClient {
 public:
  BridgeClient(io::Engine& engine, io::Clock& clock, io::TransportName transport);
  ~BridgeClient();

  /// Opens the bridge port. Closed again by unlisten() or by the next accept(): a bridge has one guest.
  Result<> listen();
  void unlisten();

  /// Takes the guest's connection (listening for it where that was not done before).
  io::Task<Result<>> accept();

  /// NegotiateProtocol with 4..4 and the next id; the answer, when the host would go on with it. Until one has
  /// succeeded the id is 0: to the guest this is a new host.
  io::Task<Result<json>> negotiate();

  /// Both, at first and after a loss.
  io::Task<Result<>> connect();

  /// Sends a request with the next id and waits for its answer, which may say failure. Its members ContainerId and
  /// ActivityId are filled in where they are missing.
  io::Task<Result<json>> call(Message message, json body);

  /// The same in two steps, with any type, id and payload. The answer is due within five minutes, or the bridge ends,
  /// but for WaitForProcess; time without a connection does not count.
  std::shared_ptr<Call> send(uint32_t type, int64_t id, std::string payload);
  io::Task<Result<json>> answer(std::shared_ptr<Call> call);

  /// The same while this connection lasts: its loss is an error, whatever may be answered on the next one.
  io::Task<Result<json>> answer_here(std::shared_ptr<Call> call);
  int64_t next_id() { return next_id_++; }

  /// Says that an exit notification of this container may come; to be said before Create. Each covers one.
  Result<> watch(const std::string& container);

  /// Takes that back, and forgets what was told: there is no such container, nor will there be.
  void unwatch(const std::string& container);

  /// Waits for that notification; it stays until the next watch(). `container_not_found` without one.
  io::Task<Result<json>> exited(std::string container);

  bool connected() const { return session_ != nullptr; }
  bool ended() const { return ended_; }

  /// Why the last connection is gone.
  const std::string& why() const { return why_; }

  /// Waits until there is no connection, and the last one is closed.
  io::Task<> lost();

  /// Waits until everything sent is in the connection (which says nothing of the guest).
  io::Task<> flushed();
  io::Task<> stop();

  // For outages.

  void keep_calls(bool keep) { keep_calls_ = keep; }

  /// Ends the connection; lost() waits until that is done. With `take`, everything that is there is read before, and
  /// what the guest sends later dies unread, or with look_first() on is refused; with `leave`, it ends at once, and all
  /// but the frame being read dies. What was sent and the guest has not read by then is in doubt: see heard(). With
  /// look_first() on, the guest sees a reset where something died unread, as when a host dies; else an end.
  void cut(Unread unread);

  /// Waits until the guest has read every request, at most for `limit`. For AF_UNIX: others do not tell.
  io::Task<bool> heard(io::Clock::Duration limit);

  /// Nothing has come that was not read. Always true where the transport does not tell.
  bool caught_up() const;

  /// The id that comes next: where a successor goes on.
  int64_t seed() const { return next_id_; }

  /// Where a host goes on that took over from another: ids from `next`, and an answer that the guest owes to it.
  void continue_from(int64_t next) { next_id_ = next > next_id_ ? next : next_id_; }
  std::shared_ptr<Call> expect(uint32_t type, int64_t id);

  // For hostile hosts.

  void send_bytes(std::string bytes);
  /// From the next frame on, or from this very moment when look_first() is on.
  void stop_reading(bool stop);

  /// Waits for a frame before it begins to read one, so that what comes after stop_reading() is left alone. Costs time.
  void look_first(bool look) { look_first_ = look; }
  void drop();

 private:
  struct Session;

  io::Task<> read(std::shared_ptr<Session> session);
  io::Task<> write(std::shared_ptr<Session> session);
  io::Task<Result<std::string>> read_frame(Session& session, Header& header);
  Result<> take(const Header& header, const std::string& payload);
  Result<> take_response(const Header& header, const std::string& payload);
  Result<> take_notification(const std::string& payload);
  io::Task<> look(std::shared_ptr<Session> session);
  void lose(const std::shared_ptr<Session>& session, const Error& why);
  void end(const Error& why);
  void fail_calls(const Error& why);
  void fail_unsent(const Session& session, const Error& why);
  void fail_negotiation(const Error& why);

  io::Engine& engine_;
  io::Clock& clock_;
  io::TransportName transport_;
  std::unique_ptr<io::Listener> listener_;
  std::shared_ptr<Session> session_;
  std::weak_ptr<Session> ending_;
  std::map<int64_t, std::shared_ptr<Call>> calls_;
  std::set<std::string> watched_;
  std::map<std::string, std::unique_ptr<json>> exits_;
  int64_t next_id_ = 0;
  uint64_t connections_ = 0;
  std::string why_ = "never connected";
  bool keep_calls_ = false;
  bool reading_stopped_ = false;
  bool look_first_ = false;
  bool ended_ = false;
  bool negotiated_ = false;
  io::Condition changed_;
  io::TaskGroup group_;
};

}  // namespace gcs::host
