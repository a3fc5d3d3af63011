#include "stdio/io/log_queue.h"

namespace gcs::log {

void LineQueue::push(std::string line) {
  const std::lock_guard lock(mutex_);
  ring_.push(std::move(line));
}

std::string LineQueue::take(size_t bytes) {
  const std::lock_guard lock(mutex_);
  const uint64_t dropped = ring_.take_dropped();
  std::string lines = dropped > 0 ? drop_record_(dropped) : ring_.pop();
  while (!ring_.empty() && lines.size() + ring_.next_size() <= bytes) lines += ring_.pop();
  return lines;
}

bool LineQueue::empty() const {
  const std::lock_guard lock(mutex_);
  return ring_.empty() && ring_.dropped() == 0;
}

}  // namespace gcs::log
