#include <poll.h>

#include <optional>

#include "stdio/io/engine.h"
#include "stdio/io/fd_stream.h"
#include "stdio/io/suspension.h"

namespace gcs::io {
namespace {

using Descriptor = asio::posix::basic_stream_descriptor<Executor>;

/// Waits for readiness through Asio's reactor. The reactor's own cancellation completes the wait, with ECANCELED.
class Readiness final : public Suspension {
 public:
  Readiness(Descriptor& descriptor, Descriptor::wait_type type) : descriptor_(descriptor), type_(type) {}

 private:
  void start() override {
    descriptor_.async_wait(type_, asio::bind_cancellation_slot(signal_.slot(), [this](const asio::error_code& error) {
                             resume(error ? -error.value() : 0);
                           }));
  }

  void cancel() override { signal_.emit(asio::cancellation_type::terminal); }

  Descriptor& descriptor_;
  Descriptor::wait_type type_;
  asio::cancellation_signal signal_;
};

/// Gives the events that have come, or -errno. Asio's reactor uses the memory of a descriptor that is gone again for
/// the next one, and an event of the old that was fetched already then wakes the new: so the kernel is asked.
Task<Result<short>> wait_for(Descriptor& watched, short events) {
  const auto type = (events & POLLOUT) != 0 ? Descriptor::wait_write : Descriptor::wait_read;
  for (;;) {
    Readiness readiness(watched, type);
    const int n = co_await readiness.wait(watched.get_executor(), "poll");
    if (n < 0) co_return sys_error("poll", -n);
    pollfd asked{watched.native_handle(), events, 0};
    if (::poll(&asked, 1, 0) < 0) co_return sys_error("poll");
    if (asked.revents != 0) co_return asked.revents;
  }
}

class EpollStream final : public FdStream {
 public:
  EpollStream(asio::io_context& context, Fd fd) : FdStream(std::move(fd)), watched_(context, native_handle()) {}
  ~EpollStream() override { watched_.release(); }

  Task<Result<size_t>> read_some(MutableBytes buffer) override { return read_when_ready(buffer); }
  Task<Result<size_t>> write_some(Bytes data) override { return write_when_ready(data); }

 private:
  Task<Result<>> wait(short events) override {
    const auto come = co_await wait_for(watched_, events);
    if (!come) co_return failure("poll", come.error().sys_errno());
    co_return Result<>();
  }

  Descriptor watched_;
};

/// The descriptor stays open, however the wait ends.
class Unowned {
 public:
  explicit Unowned(Descriptor& watched) : watched_(watched) {}
  ~Unowned() { watched_.release(); }
  Unowned(const Unowned&) = delete;
  Unowned& operator=(const Unowned&) = delete;

 private:
  Descriptor& watched_;
};

class EpollEngine final : public Engine {
 public:
  explicit EpollEngine(asio::io_context& context) : context_(context), sleep_(context) {}

  std::unique_ptr<Stream> adopt(Fd fd) override { return std::make_unique<EpollStream>(context_, std::move(fd)); }

  Task<Result<short>> poll(int fd, short events) override {
    Descriptor watched(context_, fd);
    const Unowned unowned(watched);
    co_return co_await wait_for(watched, events);
  }

  const char* name() const override { return "epoll"; }
  Executor executor() const override { return context_.get_executor(); }

  bool turn(Clock::TimePoint sleep_until) override {
    if (sleep_until == Clock::TimePoint::min()) return false;  // what is ready has run
    if (sleep_until != wakes_at_ && sleep_until != Clock::TimePoint::max()) {
      wakes_at_ = sleep_until;
      sleep_.expires_at(sleep_until);
      sleep_.async_wait([this](const asio::error_code& error) {
        if (!error) wakes_at_.reset();
      });
    }
    return context_.run_one() > 0;
  }

 private:
  using Timer =
      asio::basic_waitable_timer<std::chrono::steady_clock, asio::wait_traits<std::chrono::steady_clock>, Executor>;

  asio::io_context& context_;
  Timer sleep_;
  std::optional<Clock::TimePoint> wakes_at_;  // nothing once it has: that may be before the alarms were rung
};

}  // namespace

std::unique_ptr<Engine> make_epoll_engine(asio::io_context& context) {
  return std::make_unique<EpollEngine>(context);
}

}  // namespace gcs::io
