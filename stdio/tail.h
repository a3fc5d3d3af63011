#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "stdio/io/stream.h"

namespace gcs::stdio {

/// The last bytes of an output stream: first those that the connection has accepted and the host may not have read,
/// then those that no connection has accepted yet. One ring buffer serves sending and replay.
///
///     begin ──────── kept ──────── sent ──── unsent ──── end
///
/// Kept are at most kBound bytes, which is more than an AF_UNIX or virtio connection holds unread (the default send
/// buffer of 208 KiB; a peer's credit of 256 KiB). Memory is taken when bytes come and given back by release().
class Tail {
 public:
  static constexpr size_t kBound = 256 * 1024;

  /// Room for the next bytes from the process: never empty while nothing is unsent.
  io::MutableBytes room();
  void filled(size_t size);

  /// A piece of what is to be sent next; empty when all is.
  io::Bytes unsent() const;
  void sent(size_t size);

  /// The host has read all that was sent.
  void confirmed();

  /// A new connection: what is kept is to be sent again.
  void reconnected();

  size_t kept() const { return sent_ - begin_; }

  /// Gives the memory back, where nothing is kept or unsent.
  void release();

 private:
  static constexpr size_t kCapacity = 2 * kBound;

  std::unique_ptr<std::byte[]> memory_;
  size_t begin_ = 0;  // counts of the stream's bytes; the place in memory is the count modulo kCapacity
  size_t sent_ = 0;
  size_t end_ = 0;
};

}  // namespace gcs::stdio
