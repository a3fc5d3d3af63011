#pragma once

#include <functional>
#include <mutex>

#include "stdio/io/log_ring.h"
#include "stdio/io/wake.h"

namespace gcs::log {

/// The lines of one destination until it takes them. Any thread may use it; nothing here waits, but for wake().
class LineQueue {
 public:
  /// Makes the line that tells of `count` dropped ones, newline and all.
  using DropRecord = std::function<std::string(uint64_t count)>;

  // About two thousand lines: more than an agent writes at level info while a VM is migrated.
  static constexpr size_t kRingBytes = 256 << 10;

  explicit LineQueue(DropRecord drop_record, size_t ring_bytes = kRingBytes)
      : drop_record_(std::move(drop_record)), ring_(ring_bytes) {}

  void push(std::string line);

  /// Takes the oldest lines: as many as fit into `bytes`, but one at least unless there is none. Where lines were
  /// dropped, the record that says so comes first.
  std::string take(size_t bytes);

  bool empty() const;

  /// Signalled by whoever pushes, when the lines need somebody else to take them.
  io::Wake& wake() { return wake_; }

 private:
  mutable std::mutex mutex_;
  DropRecord drop_record_;
  LineRing ring_;
  io::Wake wake_;
};

}  // namespace gcs::log
