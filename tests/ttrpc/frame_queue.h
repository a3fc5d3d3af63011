#pragma once

#include <deque>
#include <optional>
#include <string>

#include "stdio/io/condition.h"
#include "stdio/io/stream.h"

namespace gcs::ttrpc {

/// Waits until the predicate holds, at most until the deadline where there is one; gives what the predicate said last.
template <class Predicate>
io::Task<bool> wait_for(io::Condition& condition, io::Clock& clock, std::optional<io::Clock::TimePoint> deadline,
                        Predicate predicate) {
  if (deadline) co_return co_await condition.wait_until(clock, *deadline, predicate);
  co_await condition.wait(predicate);
  co_return true;
}

/// Frames on their way into one connection, in order: several tasks push, one writes. What a slow peer can make it hold
/// is bounded by kRoom and one frame, as long as everybody asks for room first.
class FrameQueue {
 public:
  static constexpr size_t kRoom = 1u << 20;

  explicit FrameQueue(io::Executor executor) : changed_(executor, "ttrpc queue") {}

  /// Waits until less than kRoom is queued, or the queue is closed. Then a frame may be pushed, before the next
  /// co_await.
  io::Task<> room();

  /// The same until a deadline: false when there was no room by then.
  io::Task<bool> room_until(io::Clock& clock, std::optional<io::Clock::TimePoint> deadline);

  /// Nothing once the queue is closed.
  void push(std::string frame);

  /// Writes what is pushed until the queue is closed or the connection fails.
  io::Task<Result<>> write_to(io::Stream& stream);

  /// The connection is over: what is queued is dropped, and everybody who waits goes on.
  void close();
  bool closed() const { return closed_; }

 private:
  bool has_room() const { return closed_ || bytes_ < kRoom; }

  std::deque<std::string> frames_;
  size_t bytes_ = 0;  // that being written included
  bool closed_ = false;
  io::Condition changed_;
};

}  // namespace gcs::ttrpc
