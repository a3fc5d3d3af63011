#pragma once

#include <random>

#include "stdio/io/dialer.h"

namespace gcs::host {

constexpr io::Port kBridgePort = 0x40000000;

/// Numbers the stdio ports of one host as the real one does: from the one behind the bridge's, rising by one, none
/// ever used again.
class PortAllocator {
 public:
  /// Somewhere in the range, for a host that begins in a VM where processes of earlier hosts may live: the guest dials
  /// their streams on their old ports, which must not be the new ones' too.
  static io::Port elsewhere() { return kBridgePort + 1 + (std::random_device()() >> 10 << 6); }

  io::Port next() { return next_++; }

  /// Where a successor goes on (a migration's destination); never lowers.
  io::Port peek() const { return next_; }
  void raise(io::Port port) { next_ = port > next_ ? port : next_; }

 private:
  io::Port next_ = kBridgePort + 1;
};

}  // namespace gcs::host
