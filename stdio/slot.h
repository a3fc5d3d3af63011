#pragma once

#include <cstdint>
#include <memory>
#include <optional>

#include "stdio/io/clock.h"
#include "stdio/io/condition.h"
#include "stdio/io/stream.h"

namespace gcs::stdio {

/// The host end of a stream. Shared between the slot and whoever holds a lease, so that a drain never pulls a
/// connection from under a pending operation.
using Conn = std::shared_ptr<io::Stream>;

/// Counts the refills of one slot, so that stale news is recognised. 0 is "never filled".
using Generation = uint64_t;

/// The current connection, borrowed. It survives a later drain, but using it then fails with `disconnected`.
class Lease {
 public:
  Lease(Conn conn, Generation generation) : conn_(std::move(conn)), generation_(generation) {}

  io::Stream& operator*() const { return *conn_; }
  io::Stream* operator->() const { return conn_.get(); }
  const Conn& conn() const { return conn_; }
  Generation generation() const { return generation_; }

 private:
  Conn conn_;
  Generation generation_;
};

/// Where a relay finds the host end of its stream.
///
///     empty ──refill──▶ filled ──drain(its generation)──▶ empty        any ──close──▶ closed, for good
///
/// Owned by a Channel and lives as long as its process, so it outlives every session. Where a stream has a tail, it is
/// replayed before the refill, hence a filled slot is always caught up. Loop thread only.
class Slot {
 public:
  explicit Slot(io::Executor executor) : changed_(executor, "slot refill") {}

  /// Waits for a connection; empty once the slot is closed.
  io::Task<std::optional<Lease>> acquire();

  /// Puts a connection in. On a closed slot, or one that is filled already, it is broken off instead.
  void refill(Conn conn);

  /// Empties the slot and breaks the connection if `seen` is still current: a relay that notices the break late must
  /// not discard the connection that its neighbour has already been given.
  void drain(Generation seen);

  /// Whoever writes to the connection says when. What a failure means is judged by whoever reads it, and drains or
  /// closes.
  void write_began() { writing_ = true; }
  void write_ended();
  void write_failed(Generation seen, int sys_errno);

  /// Waits until no write is under way, and gives the errno of the one that failed on this generation's connection,
  /// else 0. A break is told once, to the reader or to the writer.
  io::Task<int> write_error(Generation seen);

  /// Ends the stream: acquire() gives nothing from now on. The connection is left to those who hold it.
  void close();

  /// Half-closes the current connection, if any, and closes the slot: for a stream that is given up, not broken.
  void finish();

  /// Waits until the connection of this generation has been drained, or the slot closed.
  io::Task<> drained(Generation seen);

  /// The same, at most until `deadline`; false when that has passed.
  io::Task<bool> drained(Generation seen, io::Clock& clock, io::Clock::TimePoint deadline);

  bool is_empty() const { return conn_ == nullptr; }
  bool is_closed() const { return closed_; }
  Generation generation() const { return generation_; }

 private:
  io::Condition changed_;
  Conn conn_;
  Generation generation_ = 0;
  int write_error_ = 0;
  bool writing_ = false;
  bool closed_ = false;
};

}  // namespace gcs::stdio
