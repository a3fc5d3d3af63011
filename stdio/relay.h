#pragma once

#include <memory>

#include "stdio/host_link.h"
#include "stdio/pump.h"
#include "stdio/slot.h"

namespace gcs::stdio {

/// What an output pipe is made to hold: the biggest lever on a relay's cost (ARCHITECTURE.md), for one splice or read
/// then moves so much.
inline constexpr int kPipeSize = 256 * 1024;

/// What an output relay is doing: after its process has exited, only one that is `reading` may be given up.
enum class RelayState { reading, sending, confirming, ended };

/// Moves a process's stdout or stderr to the host.
///
/// Takes the next byte from the process only while it holds a connection: during an outage the kernel's pipe fills and
/// the process feels back-pressure, nothing else. Ends when the process's end is closed and the host has confirmed it
/// by closing, or when the slot is closed; then it closes its end of the pipe, so that a process that still writes
/// sees EPIPE.
class OutputRelay {
 public:
  /// `source` is shared with the input relay of a pty. `pool` outlives the relay.
  OutputRelay(std::shared_ptr<io::Stream> source, Slot& slot, BufferPool& pool, TailPolicy policy, io::Clock& clock);

  io::Task<> run();
  RelayState state() const { return state_; }

  /// The present connection has ended in order, which tells that the host has read all of it.
  void confirmed();

  /// For the next connection, before it fills the slot: sends what the last one may have lost. False when it broke.
  io::Task<bool> replay(const Conn& conn);

  /// Bytes that connections have accepted so far.
  uint64_t moved() const { return moved_; }

  /// Bytes that the process has written and the relay has not taken yet; at most that many where a stream cannot tell.
  size_t waiting() const;

  /// The process has closed its end, so that whatever comes later is not what ended the stream.
  bool source_ended() const { return source_ended_; }

 private:
  io::Task<bool> forward(const Lease& lease);

  std::shared_ptr<io::Stream> source_;
  Slot& slot_;
  BufferPool& pool_;
  TailPolicy policy_;
  io::Clock& clock_;
  std::unique_ptr<Pump> pump_;  // chosen with the first connection
  RelayState state_ = RelayState::reading;
  bool source_ended_ = false;
  uint64_t moved_ = 0;
};

/// Moves what the host sends to a process's stdin. The host's orderly end closes the pipe (a pty stays open); a broken
/// connection leaves it open and waits for the refill.
class InputRelay {
 public:
  /// `link` tells whether an orderly end is deliberate.
  InputRelay(std::shared_ptr<io::Stream> sink, Slot& slot, BufferPool& pool, HostLink& link);

  io::Task<> run();

 private:
  io::Task<bool> is_deliberate(const Lease& ended);
  io::Task<bool> deliver(const Lease& from, io::Bytes bytes);

  std::shared_ptr<io::Stream> sink_;
  Slot& slot_;
  BufferPool& pool_;
  HostLink& link_;
  Generation generation_ = 0;
  uint64_t made_in_ = 0;   // the session in which the connection was made
  bool outlived_ = false;  // bytes of it were in hand while the bridge was lost, and it with the bridge
};

}  // namespace gcs::stdio
