#include "stdio/slot.h"

namespace gcs::stdio {

io::Task<std::optional<Lease>> Slot::acquire() {
  auto settled = [this] { return closed_ || conn_ != nullptr; };
  co_await changed_.wait(settled);
  if (closed_) co_return std::nullopt;
  co_return Lease(conn_, generation_);
}

void Slot::refill(Conn conn) {
  if (closed_ || conn_ != nullptr) {
    conn->shut_down();
    return;
  }
  conn_ = std::move(conn);
  ++generation_;
  write_error_ = 0;
  changed_.notify_all();
}

void Slot::drain(Generation seen) {
  if (seen != generation_ || conn_ == nullptr) return;
  conn_->shut_down();
  conn_.reset();
  changed_.notify_all();
}

void Slot::write_ended() {
  writing_ = false;
  changed_.notify_all();
}

void Slot::write_failed(Generation seen, int sys_errno) {
  if (seen == generation_) write_error_ = sys_errno;
  write_ended();
}

io::Task<int> Slot::write_error(Generation seen) {
  auto settled = [this, seen] { return closed_ || !writing_ || seen != generation_; };
  co_await changed_.wait(settled);
  co_return seen == generation_ ? write_error_ : 0;
}

io::Task<> Slot::drained(Generation seen) {
  auto gone = [this, seen] { return closed_ || conn_ == nullptr || generation_ != seen; };
  co_await changed_.wait(gone);
}

io::Task<bool> Slot::drained(Generation seen, io::Clock& clock, io::Clock::TimePoint deadline) {
  auto gone = [this, seen] { return closed_ || conn_ == nullptr || generation_ != seen; };
  co_return co_await changed_.wait_until(clock, deadline, gone);
}

void Slot::close() {
  closed_ = true;
  conn_.reset();
  changed_.notify_all();
}

void Slot::finish() {
  if (conn_ != nullptr) conn_->shut_write();
  close();
}

}  // namespace gcs::stdio
