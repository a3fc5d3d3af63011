#include "stdio/io/ring.h"

#include <liburing.h>
#include <sys/eventfd.h>

#include <array>
#include <cerrno>

namespace gcs::io {
namespace {

constexpr unsigned kEntries = 256;

// Not in liburing 2.3's header under these names on every kernel header set; values are the kernel's ABI.
constexpr unsigned kDeferred = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
constexpr std::array<unsigned, 3> kSetupTries = {kDeferred, IORING_SETUP_COOP_TASKRUN, 0};

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

Ring::Ring(Executor executor) : executor_(executor), ring_(std::make_unique<io_uring>()) {}

Result<std::unique_ptr<Ring>> Ring::create(Executor executor) {
  std::unique_ptr<Ring> made(new Ring(executor));
  int failure = 0;
  for (const unsigned flags : kSetupTries) {
    io_uring_params params{};
    params.flags = flags;
    failure = io_uring_queue_init_params(kEntries, made->ring_.get(), &params);
    if (failure != 0) continue;
    made->setup_flags_ = flags;
    if ((params.features & IORING_FEAT_NODROP) == 0 || (params.features & IORING_FEAT_FAST_POLL) == 0) {
      return Error(Errc::unsupported, "io_uring: this kernel's ring drops completions or cannot poll");
    }
    made->event_fd_ = Fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!made->event_fd_) return sys_error("eventfd");
    failure = io_uring_register_eventfd(made->ring_.get(), made->event_fd_.get());
    if (failure != 0) return sys_error("io_uring: register eventfd", -failure);
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

bool Ring::turn() {
  // What completes from here on is found by looking; only a loop that goes to sleep wants to be signalled.
  io_uring_cq_eventfd_toggle(ring_.get(), false);
  int taken = 0;
  if (has_queued()) {
    taken = io_uring_submit_and_get_events(ring_.get());
    fill_queue();
  } else if (has_hidden_completions()) {
    io_uring_get_events(ring_.get());
  }
  bool ran = false;
  while (run_completed()) ran = true;
  if (ran || (has_queued() && taken > 0)) return true;
  io_uring_cq_eventfd_toggle(ring_.get(), true);
  // Between the last look and the signal's arming something may have completed.
  if (has_hidden_completions()) io_uring_get_events(ring_.get());
  return run_completed();
}

bool Ring::has_queued() const {
  return io_uring_sq_ready(ring_.get()) > 0;
}

/// Completions that need a system call before they can be seen: deferred task work, an overflowed queue.
bool Ring::has_hidden_completions() const {
  const unsigned flags = *ring_->sq.kflags;
  return (flags & (IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW)) != 0;
}

/// Runs the tasks of up to 64 completions. They are copied out first: a resumed task may queue operations, and a full
/// queue submits.
bool Ring::run_completed() {
  std::array<io_uring_cqe*, 64> batch;
  struct Done {
    Op* op;
    int result;
  };
  std::array<Done, 64> done;
  const unsigned count = io_uring_peek_batch_cqe(ring_.get(), batch.data(), batch.size());
  for (unsigned i = 0; i < count; ++i) {
    done[i] = {static_cast<Op*>(io_uring_cqe_get_data(batch[i])), batch[i]->res};
  }
  io_uring_cq_advance(ring_.get(), count);
  for (unsigned i = 0; i < count; ++i) {
    if (done[i].op == nullptr) continue;
    drop({done[i].op, true});
    done[i].op->resume(done[i].result);
  }
  return count > 0;
}

}  // namespace gcs::io
