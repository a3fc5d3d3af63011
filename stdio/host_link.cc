#include "stdio/host_link.h"

namespace gcs::stdio {

io::Task<bool> HostLink::goes_down(io::Clock& clock) {
  auto down = [this, now = sessions_] { return !up_ || sessions_ != now; };
  co_return co_await changed_.wait_until(clock, clock.now() + kGrace, down);
}

}  // namespace gcs::stdio
