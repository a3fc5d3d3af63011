#include "tests/ttrpc/frame_queue.h"

namespace gcs::ttrpc {

io::Task<> FrameQueue::room() {
  auto there = [this] { return has_room(); };
  co_await changed_.wait(there);
}

io::Task<bool> FrameQueue::room_until(io::Clock& clock, std::optional<io::Clock::TimePoint> deadline) {
  auto there = [this] { return has_room(); };
  co_return co_await wait_for(changed_, clock, deadline, there);
}

void FrameQueue::push(std::string frame) {
  if (closed_) return;
  bytes_ += frame.size();
  frames_.push_back(std::move(frame));
  changed_.notify_all();
}

io::Task<Result<>> FrameQueue::write_to(io::Stream& stream) {
  auto anything = [this] { return closed_ || !frames_.empty(); };
  for (;;) {
    co_await changed_.wait(anything);
    if (closed_) co_return Result<>();
    const std::string frame = std::move(frames_.front());
    frames_.pop_front();
    const auto written = co_await io::write_all(stream, io::as_bytes(frame));
    if (!written) co_return written.error();
    bytes_ -= frame.size();
    changed_.notify_all();
  }
}

void FrameQueue::close() {
  closed_ = true;
  frames_.clear();
  changed_.notify_all();
}

}  // namespace gcs::ttrpc
