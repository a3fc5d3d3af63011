#pragma once

#include <cstdint>
#include <deque>
#include <memory>

#include "stdio/io/clock.h"
#include "stdio/io/result.h"
#include "stdio/io/stream.h"
#include "stdio/io/suspension.h"

struct io_uring;
struct io_uring_sqe;

namespace gcs::io {

class Doorbell;

/// One io_uring of one thread: 256 entries to begin with, submitted once a loop turn by the call in which the loop
/// sleeps. Raw entries appear in ring.cc alone.
///
/// No completion, cancellation or submission is ever dropped: what the submission queue has no room for, because the
/// kernel refuses to take more, is held back until it does; a full completion queue is kept by the kernel
/// (IORING_FEAT_NODROP is required) and flushed on the next reap. A cancelled operation is waited for: its buffer
/// belongs to the caller's frame until the kernel has let go of it.
class Ring {
 public:
  /// Asks for SINGLE_ISSUER|DEFER_TASKRUN (6.1), then COOP_TASKRUN (5.19), then neither. Must be made and used on the
  /// loop's thread. Errors: `unsupported` where io_uring is missing, forbidden or older than 5.11.
  static Result<std::unique_ptr<Ring>> create(Executor executor);
  ~Ring();
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  // Each gives the operation's result as the kernel does: a count, events, or a negative errno (-ECANCELED when the
  // task was cancelled).
  Task<int> recv(int fd, MutableBytes buffer);
  Task<int> send(int fd, Bytes data);
  Task<int> poll(int fd, short events);

  /// Submits what is queued, sleeps until something has completed, at most until `sleep_until` (min: not at all), and
  /// posts the tasks of what has; true when there was anything. Other threads end the sleep by wake_loop().
  bool turn(Clock::TimePoint sleep_until);

  unsigned setup_flags() const { return setup_flags_; }

 private:
  class Op;

  /// An operation, or its cancellation, on its way into the submission queue.
  struct Entry {
    Op* op;
    bool cancels;
    bool operator==(const Entry&) const = default;
  };

  explicit Ring(Executor executor);
  void queue(Entry entry);
  bool fill_queue();
  bool drop(Entry entry);
  bool has_queued() const;
  bool has_hidden_completions() const;
  void sleep(Clock::TimePoint until);
  void watch_doorbell();
  void run_completed();
  void completed(void* whose, int result);
  Task<int> run(Op& op, const char* what);

  Executor executor_;
  Doorbell& doorbell_;
  bool doorbell_watched_ = false;
  std::unique_ptr<io_uring> ring_;
  std::deque<Entry> held_back_;  ///< for want of room in the submission queue
  unsigned setup_flags_ = 0;
};

}  // namespace gcs::io
