#pragma once

#include "stdio/io/clock.h"

namespace gcs {

/// How long to wait before the next dial, `since_loss` after the connection was lost (or the program began): a host
/// that comes back does so within seconds of the loss; later there is no hurry.
inline io::Clock::Duration redial_pause(io::Clock::Duration since_loss) {
  using namespace std::chrono_literals;
  return since_loss < 10s ? 10ms : 100ms;
}

}  // namespace gcs
