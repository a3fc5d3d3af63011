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

void Slot::write_failed(Generation seen, int sys_errno) {
  if (seen != generation_ || conn_ == nullptr) return;
  write_error_ = sys_errno;
  conn_->shut_read();
}

io::Task<> Slot::drained(Generation seen) {
  auto gone = [this, seen] { return closed_ || conn_ == nullptr || generation_ != seen; };
  co_await changed_.wait(gone);
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
