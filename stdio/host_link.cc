#include "stdio/host_link.h"

namespace gcs::stdio {

void HostLink::set_up(const io::Stream& bridge) {
  ++sessions_;
  bridge_ = &bridge;
  up_since_ = clock_.now();
  changed_.notify_all();
}

void HostLink::set_down() {
  bridge_ = nullptr;
  changed_.notify_all();
}

io::Task<bool> HostLink::is_outage(uint64_t made_in, bool due) {
  const auto seen = clock_.now();
  const bool returned = sessions_ != made_in && seen - up_since_ < kSettling;
  auto down = [this, now = sessions_] { return sessions_ != now || !is_up(); };
  if (returned || down()) co_return true;
  if (due) co_return false;
  co_return co_await changed_.wait_until(clock_, seen + kGrace, down);
}

}  // namespace gcs::stdio
