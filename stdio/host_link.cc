#include "stdio/host_link.h"

namespace gcs::stdio {

void HostLink::set_up(const io::Stream& bridge) {
  ++sessions_;
  bridge_ = &bridge;
  changed_.notify_all();
}

void HostLink::set_down() {
  bridge_ = nullptr;
  changed_.notify_all();
}

io::Task<bool> HostLink::goes_down(io::Clock& clock) {
  auto down = [this, now = sessions_] { return sessions_ != now || !is_up(); };
  co_return co_await changed_.wait_until(clock, clock.now() + kGrace, down);
}

}  // namespace gcs::stdio
