#pragma once

#include "stdio/io/dialer.h"

namespace gcs::host {

constexpr io::Port kBridgePort = 0x40000000;

/// Numbers the stdio ports of one host as the real one does: from the one behind the bridge's, rising by one, none
/// ever used again.
class PortAllocator {
 public:
  io::Port next() { return next_++; }

  /// Where a successor goes on (a migration's destination); never lowers.
  io::Port peek() const { return next_; }
  void raise(io::Port port) { next_ = port > next_ ? port : next_; }

 private:
  io::Port next_ = kBridgePort + 1;
};

}  // namespace gcs::host
