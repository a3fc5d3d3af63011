#include "stdio/io/ring.h"

#include <liburing.h>
#include <poll.h>

#include <array>
#include <cerrno>

#include "stdio/io/doorbell.h"

namespace gcs::io {
namespace {

constexpr unsigned kEntries = 256;

// Not in liburing 2.3's header under these names on every kernel header set; values are the kernel's ABI.
constexpr unsigned kDeferred = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
constexpr std::array<unsigned, 3> kSetupTries = {kDeferred, IORING_SETUP_COOP_TASKRUN, 0};
constexpr unsigned kNeeded = IORING_FEAT_NODROP | IORING_FEAT_FAST_POLL | IORING_FEAT_EXT_ARG;

// How long a kernel that takes no entries is left alone.
constexpr std::chrono::milliseconds kRefused{1};

__kernel_timespec timespec_of(Clock::Duration duration) {
  const auto left = std::max(duration, Clock::Duration::zero());
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(left);
  return {seconds.count(), std::chrono::nanoseconds(left - seconds).count()};
}

}  // namespace

/// One operation in flight; lives on the waiting coroutine's frame, its address is the entry's user_data.
class Ring::Op final : public Suspension {
 public:
  using Prepare = void (*)(io_uring_sqe*, int fd, void* data, size_t size, unsigned flags);

  Op(Ring& ring, Prepare prepare, int fd, void* data, size_t size, unsigned flags)
      : ring_(ring), prepare_(prepare), data_(data), size_(size), fd_(fd), flags_(flags) {}

  void fill(io_uring_sqe& entry, bool cancels) {
    if (cancels) {
      io_uring_prep_cancel(&entry, this, 0);
      io_uring_sqe_set_data(&entry, nullptr);
    } else {
      prepare_(&entry, fd_, data_, size_, flags_);
      io_uring_sqe_set_data(&entry, this);
    }
  }

 private:
  void start() override { ring_.queue({this, false}); }

  void cancel() override {
    if (given_up_) return;
    given_up_ = ring_.drop({this, false});
    if (given_up_) {
      post(-ECANCELED);  // the kernel never saw it
    } else {
      ring_.queue({this, true});
    }
  }

  Ring& ring_;
  Prepare prepare_;
  void* data_;
  size_t size_;
  int fd_;
  unsigned flags_;
  bool given_up_ = false;
};

Ring::Ring(Executor executor)
    : executor_(executor), doorbell_(Doorbell::of(executor)), ring_(std::make_unique<io_uring>()) {}

Result<std::unique_ptr<Ring>> Ring::create(Executor executor) {
  std::unique_ptr<Ring> made(new Ring(executor));
  int failure = 0;
  for (const unsigned flags : kSetupTries) {
    io_uring_params params{};
    params.flags = flags;
    failure = io_uring_queue_init_params(kEntries, made->ring_.get(), &params);
    if (failure != 0) continue;
    made->setup_flags_ = flags;
    if ((params.features & kNeeded) != kNeeded) {
      return Error(Errc::unsupported,
                   "io_uring: this kernel's ring drops completions, cannot poll, or cannot time out");
    }
    if (made->doorbell_.fd() < 0) return Error(Errc::exhausted, "no descriptor for the loop's wake-up");
    return made;
  }
  made->ring_.reset();
  return Error(Errc::unsupported, sys_error("io_uring_setup", -failure).message(), -failure);
}

Ring::~Ring() {
  if (ring_) io_uring_queue_exit(ring_.get());
}

/// A full queue is submitted, but once: what the kernel refuses now (EAGAIN without memory, EBUSY while completions are
/// not reaped) waits for a later turn.
void Ring::queue(Entry entry) {
  held_back_.push_back(entry);
  if (fill_queue()) return;
  io_uring_submit(ring_.get());
  fill_queue();
}

/// Moves what is held back into the submission queue, as far as there is room; true when that is all of it.
bool Ring::fill_queue() {
  while (!held_back_.empty()) {
    io_uring_sqe* const place = io_uring_get_sqe(ring_.get());
    if (place == nullptr) return false;
    const Entry next = held_back_.front();
    held_back_.pop_front();
    next.op->fill(*place, next.cancels);
  }
  return true;
}

/// True when it was held back.
bool Ring::drop(Entry entry) {
  return std::erase(held_back_, entry) > 0;
}

Task<int> Ring::run(Op& op, const char* what) {
  return op.wait(executor_, what);
}

Task<int> Ring::recv(int fd, MutableBytes buffer) {
  auto prepare = [](io_uring_sqe* entry, int on, void* data, size_t size, unsigned) {
    io_uring_prep_recv(entry, on, data, size, 0);
  };
  Op op(*this, prepare, fd, buffer.data(), buffer.size(), 0);
  co_return co_await run(op, "recv");
}

Task<int> Ring::send(int fd, Bytes bytes) {
  auto prepare = [](io_uring_sqe* entry, int on, void* data, size_t size, unsigned) {
    io_uring_prep_send(entry, on, data, size, MSG_NOSIGNAL);
  };
  Op op(*this, prepare, fd, const_cast<std::byte*>(bytes.data()), bytes.size(), 0);
  co_return co_await run(op, "send");
}

Task<int> Ring::poll(int fd, short events) {
  auto prepare = [](io_uring_sqe* entry, int on, void*, size_t, unsigned mask) {
    io_uring_prep_poll_add(entry, on, mask);
  };
  Op op(*this, prepare, fd, nullptr, 0, static_cast<unsigned short>(events));
  co_return co_await run(op, "poll");
}

bool Ring::turn(Clock::TimePoint sleep_until) {
  watch_doorbell();
  fill_queue();
  if (sleep_until == Clock::TimePoint::min()) {
    if (has_queued() || has_hidden_completions()) io_uring_submit_and_get_events(ring_.get());
  } else {
    sleep(sleep_until);
  }
  fill_queue();  // for what is held back there may be room now
  if (io_uring_cq_ready(ring_.get()) == 0) return false;
  // There Asio has its memory at hand, and posts cost no lock.
  asio::post(executor_, [this] { run_completed(); });
  return true;
}

/// Submits, and waits for a completion where there is none.
void Ring::sleep(Clock::TimePoint until) {
  io_uring_cqe* first = nullptr;
  const bool for_ever = until == Clock::TimePoint::max();
  auto limit = for_ever ? __kernel_timespec{} : timespec_of(until - std::chrono::steady_clock::now());
  io_uring_submit_and_wait_timeout(ring_.get(), &first, 1, for_ever ? nullptr : &limit, nullptr);
  if (first != nullptr || !has_queued()) return;
  // It takes none, for want of memory.
  auto pause = timespec_of(kRefused);
  io_uring_wait_cqe_timeout(ring_.get(), &first, &pause);
}

/// Has the ring say when other threads want the loop awake.
void Ring::watch_doorbell() {
  if (doorbell_watched_) return;
  io_uring_sqe* const place = io_uring_get_sqe(ring_.get());
  if (place == nullptr) return;
  io_uring_prep_poll_add(place, doorbell_.fd(), POLLIN);
  io_uring_sqe_set_data(place, &doorbell_);
  doorbell_watched_ = true;
}

bool Ring::has_queued() const {
  return io_uring_sq_ready(ring_.get()) > 0;
}

/// Completions that need a system call before they can be seen: deferred task work, an overflowed queue.
bool Ring::has_hidden_completions() const {
  const unsigned flags = *ring_->sq.kflags;
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/// Runs the tasks whose operations have completed. Up to 64 completions are copied out at a time: a resumed task may
/// queue operations, and a full queue submits.
void Ring::run_completed() {
  struct Done {
    void* whose;
    int result;
  };
  std::array<io_uring_cqe*, 64> batch;
  std::array<Done, 64> done;
  while (const unsigned count = io_uring_peek_batch_cqe(ring_.get(), batch.data(), batch.size())) {
    for (unsigned i = 0; i < count; ++i) done[i] = {io_uring_cqe_get_data(batch[i]), batch[i]->res};
    io_uring_cq_advance(ring_.get(), count);
    for (unsigned i = 0; i < count; ++i) completed(done[i].whose, done[i].result);
  }
}

void Ring::completed(void* whose, int result) {
  if (whose == nullptr) return;  // a cancellation
  if (whose == &doorbell_) {
    doorbell_.silence();
    doorbell_watched_ = false;
    return;
  }
  Op* const op = static_cast<Op*>(whose);
  drop({op, true});
  op->resume(result);
}

}  // namespace gcs::io
