#pragma once

#include <vector>

#include "stdio/io/fd.h"
#include "stdio/io/stream.h"

namespace gcs::stdio {

/// The last bytes of an output stream, as Tail has them, but in a pipe of our own whose pages are those of the
/// process's pipe: nothing is copied (tee(2), splice(2)).
///
///     ── kept ── sent ── unsent ──▶        what is unsent is at the front of the process's pipe as well
///
/// Kept are at most kBound bytes, fewer where the system grants us a small pipe only. Open between take() and close().
class KeepPipe {
 public:
  /// What an AF_UNIX connection holds unread, as Tail::kBound says, and one splice(2) of 17 pages beyond its send
  /// buffer.
  static constexpr size_t kBound = 288 * 1024;

  /// Opens it, unless it is open. Error: no descriptors.
  Result<> open();

  /// With nothing unsent: takes what is at the front of `source`, at most `most` bytes. 0 at its end, the errno EAGAIN
  /// when it is empty.
  Result<size_t> take(int source, size_t most);

  void sent(size_t size);

  /// The connection is broken: what is unsent is taken out of `source`, and replay() sends it with the rest.
  Result<> take_over(int source);

  /// The host has read all that was sent.
  void confirmed();

  /// Sends all, and keeps it. False when the connection broke on the way; then all is still here.
  io::Task<bool> replay(io::Stream& conn);

  size_t kept() const { return kept_; }
  size_t unsent() const { return unsent_; }

  /// Gives descriptors and memory back, where nothing is kept or unsent.
  void close();

 private:
  size_t bound() const;
  Result<> drop(size_t size);

  /// Everything, which stays, on as few pages as it needs.
  Result<std::vector<std::byte>> contents();

  io::PipeEnds pipe_;
  size_t capacity_ = 0;
  size_t kept_ = 0;
  size_t unsent_ = 0;
};

}  // namespace gcs::stdio
