#pragma once

#include <memory>

#include "stdio/buffer_pool.h"
#include "stdio/io/clock.h"
#include "stdio/slot.h"

namespace gcs::stdio {

/// What becomes of the bytes that a broken connection had accepted and the host may not have read. `replay` sends them
/// again: for streams that are logs, an init process's stdout and stderr, where a doubled line does less harm than a
/// lost one. `resume` does not: in a binary stream a doubled byte is as bad as a lost one.
enum class TailPolicy { resume, replay };

/// Moves output from a process to the host, a chunk at a time. What it has taken from the process and the host's
/// connection has not accepted stays with it, for the next connection. Owned by a relay; lives through outages.
class Pump {
 public:
  virtual ~Pump() = default;

  /// True while bytes are held that were taken from the source: they go first, and the source need not be readable.
  virtual bool holds_bytes() const = 0;

  /// One chunk from `source`, which is readable unless bytes are held, to `conn`; gives its size, 0 at the end of the
  /// source. Error: `disconnected` when the connection broke, with ECONNRESET where the break was or may have been a
  /// reset; try again with the next one.
  virtual io::Task<Result<size_t>> move(io::Stream& source, const Conn& conn) = 0;

  /// Gives back memory while the stream idles, as soon as it can; only when no bytes are held.
  virtual void rest() = 0;

  /// The host has read all that was sent.
  virtual void confirmed() {}

  /// For the next connection, before move() is called with it: sends what is to be sent again. False when the
  /// connection broke on the way.
  virtual io::Task<bool> replay(const Conn& conn);
};

/// The cheapest one for this process's pipe or pty and this connection: splice(2) where it pays, read and send
/// elsewhere (ptys always). `pool` and `clock` outlive it.
std::unique_ptr<Pump> make_pump(BufferPool& pool, io::Clock& clock, TailPolicy policy, const io::Stream& source,
                                const io::Stream& conn);

std::unique_ptr<Pump> make_copy_pump(BufferPool& pool);
std::unique_ptr<Pump> make_splice_pump();
std::unique_ptr<Pump> make_tail_pump(io::Clock& clock);  ///< copies, and replays
std::unique_ptr<Pump> make_tee_pump(io::Clock& clock);   ///< splices, and replays

/// The error of a write after `moved` bytes of the same chunk. A break is told once (socket(7), SO_ERROR), and a write
/// that gets some bytes out before it meets one keeps it to itself: the next one then finds EPIPE where the reader
/// could have told a reset from an end.
Error failure_after(size_t moved, const Error& error);

}  // namespace gcs::stdio
