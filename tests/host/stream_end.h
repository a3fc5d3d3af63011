#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "stdio/io/task_group.h"
#include "tests/host/bridge_client.h"
#include "tests/host/stdio_listener.h"

namespace gcs::host {

/// How a connection of a stream ended.
enum class Parting {
  finished,  ///< the guest's orderly end, with no outage since the connection was made
  broken,    ///< the guest's break; or its end after an outage of the bridge, which may be meant as one
  cut,       ///< by cut()
  reset,     ///< by reset()
  untaken,   ///< the port was closed again: the guest may have dialled it, and nobody knows what it wrote
};

/// Who uses a stream. Called by the stream's task; outlives it.
class StreamUser {
 public:
  virtual ~StreamUser() = default;

  /// The next bytes of the guest's output, in order.
  virtual void took(std::string_view bytes) = 0;

  /// The connection is gone. `unread` bytes of it were left: exactly so after cut(), at least so after reset().
  virtual void parted(Parting how, size_t unread) = 0;
};

/// The host's end of one stdio stream through all its connections.
///
///     connected ──cut, reset, the guest's break or end──▶ away ──reopen──▶ open ──the guest dials──▶ connected
///                                                      any ──stop──▶ closed
///
/// A port that was reopened takes one connection, as the real host's does. Outputs are read all the time, or as slowly
/// as set_pace() says. Stop it and join before it goes.
class StreamEnd {
 public:
  StreamEnd(io::Engine& engine, io::Clock& clock, io::TransportName transport, io::Port port,
            std::unique_ptr<io::Stream> first, StreamUser& user);

  io::Port port() const { return port_; }

  /// To be spawned once.
  io::Task<> run();

  /// A pause after each read: the stream is then full most of the time.
  void set_pace(io::Clock::Duration pause) { pause_ = pause; }

  /// Ends the connection, or the wait for one. With `take`, what is there is read before; what the guest sends later,
  /// and everything with `leave`, is lost, and counted. away() waits until that is done.
  void cut(Unread unread);

  /// Breaks the connection by closing it with bytes unread, which on AF_UNIX the guest notices as a reset, not as an
  /// end. False where no byte came within the limit, or something else ended the connection; then nothing is done.
  io::Task<bool> reset(io::Clock::Duration limit);

  /// The bridge is gone: an end of the present connection may be the guest's way to drop it.
  void note_outage() { outage_ = true; }

  /// Opens the port, unless it is open or connected.
  Result<> reopen();

  bool is_connected() const { return conn_ != nullptr && cut_ == Cutting::no; }
  io::Task<bool> connected(io::Clock::TimePoint deadline);
  io::Task<> away();

  /// Writes all of it, through as many outages as it takes; what a dead connection had accepted is not written again.
  /// False once the stream is closed.
  io::Task<bool> write(std::string_view bytes);

  /// The same for as many bytes as a connection takes at once; gives their number, 0 once the stream is closed.
  io::Task<size_t> write_some(std::string_view bytes);

  /// The end of the input: told on this connection and all later ones.
  void end_input();

  io::Task<> stop();

 private:
  enum class Cutting { no, take, leave, reset };

  bool is_away() const { return conn_ == nullptr && listener_ == nullptr; }
  io::Task<> wait_for_guest();
  io::Task<> accept();
  io::Task<> wait_readable(std::shared_ptr<io::Stream> conn);
  io::Task<> look(std::shared_ptr<io::Stream> conn);
  io::Task<> read();
  void part(Parting how);

  io::Engine& engine_;
  io::Clock& clock_;
  io::TransportName transport_;
  io::Port port_;
  StreamUser& user_;
  io::Clock::Duration pause_{0};
  std::vector<std::byte> buffer_;
  std::shared_ptr<io::Stream> conn_;
  std::unique_ptr<StdioListener> listener_;
  Cutting cut_ = Cutting::no;
  size_t to_take_ = 0;     // before a cut with `take`
  bool refusing_ = false;  // the port is to be closed again
  bool held_ = false;      // reset() wants bytes to stay unread
  bool parked_ = false;    // and there are some
  bool readable_ = false;
  bool written_to_ = false;
  bool outage_ = false;
  bool input_ended_ = false;
  bool closed_ = false;
  bool running_ = false;
  io::Condition changed_;
  io::TaskGroup waiting_;  // the one thing that run() waits for
};

}  // namespace gcs::host
