#include "stdio/io/log_ring.h"

#include <utility>

namespace gcs::log {

void LineRing::push(std::string line) {
  if (line.size() > limit_) {
    ++dropped_;
    return;
  }
  bytes_ += line.size();
  lines_.push_back(std::move(line));
  while (bytes_ > limit_) {
    pop();
    ++dropped_;
  }
}

std::string LineRing::pop() {
  if (lines_.empty()) return {};
  std::string line = std::move(lines_.front());
  lines_.pop_front();
  bytes_ -= line.size();
  return line;
}

uint64_t LineRing::take_dropped() {
  return std::exchange(dropped_, 0);
}

void LineBatch::rewind() {
  const size_t last = std::string_view(lines_).substr(0, sent_).rfind('\n');
  if (last != std::string_view::npos) lines_.erase(0, last + 1);
  sent_ = 0;
}

}  // namespace gcs::log
