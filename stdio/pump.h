#pragma once

#include <memory>

#include "stdio/buffer_pool.h"
#include "stdio/io/clock.h"
#include "stdio/slot.h"
#include "stdio/tail.h"

namespace gcs::stdio {

/// Moves output from a process to the host, a chunk at a time. What it has taken from the process and the host's
/// connection has not accepted stays with it, for the next connection.
class Pump {
 public:
  virtual ~Pump() = default;

  /// True while bytes are held that were taken from the source: they go first, and the source need not be readable.
  virtual bool holds_bytes() const = 0;

  /// One chunk from `source`, which is readable unless bytes are held, to `conn`; gives its size, 0 at the end of the
  /// source. Error: `disconnected` when the connection broke; try again with the next one.
  virtual io::Task<Result<size_t>> move(io::Stream& source, const Conn& conn) = 0;

  /// Gives back memory while the stream idles, as soon as it can; only when no bytes are held.
  virtual void rest() = 0;
};

/// splice(2) where it pays, read and send elsewhere (ptys always).
std::unique_ptr<Pump> make_pump(BufferPool& pool, const io::Stream& source, const io::Stream& conn);

/// The one that copies, for every kind of stream.
std::unique_ptr<Pump> make_copy_pump(BufferPool& pool);

/// The one that keeps a tail, which whoever dials again sends to the next connection. Both outlive the pump.
std::unique_ptr<Pump> make_tail_pump(Tail& tail, io::Clock& clock);

}  // namespace gcs::stdio
