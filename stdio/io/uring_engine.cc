#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "stdio/io/engine.h"
#include "stdio/io/fd_stream.h"
#include "stdio/io/log.h"
#include "stdio/io/ring.h"

namespace gcs::io {
namespace {

// What is sent by a call of its own, which costs less than the way by the ring, and how often in a row: a task that
// never has to wait would keep all others waiting.
constexpr size_t kShort = 4096;
constexpr unsigned kInARow = 16;

/// Sockets go through the ring's own RECV and SEND, but for what is short and fits at once. Pipes and ptys poll on the
/// ring and then make the system call: a ring READ of a pty, or of a pipe before 6.4, would go to a worker thread.
class UringStream final : public FdStream {
 public:
  UringStream(Ring& ring, Fd fd) : FdStream(std::move(fd)), ring_(ring) {}

  Task<Result<size_t>> read_some(MutableBytes buffer) override {
    if (!is_socket()) co_return co_await read_when_ready(buffer);
    const int n = co_await ring_.recv(native_handle(), buffer);
    if (n < 0) co_return failure("receive", -n);
    co_return static_cast<size_t>(n);
  }

  Task<Result<size_t>> write_some(Bytes data) override {
    if (!is_socket()) co_return co_await write_when_ready(data);
    if (data.size() <= kShort && ++in_a_row_ < kInARow) {
      const ssize_t sent = ::send(native_handle(), data.data(), data.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
      if (sent >= 0) co_return static_cast<size_t>(sent);
      if (errno != EAGAIN && errno != EINTR) co_return failure("send", errno);
    }
    in_a_row_ = 0;
    const int n = co_await ring_.send(native_handle(), data);
    if (n < 0) co_return failure("send", -n);
    co_return static_cast<size_t>(n);
  }

 private:
  Task<Result<>> wait(short events) override {
    const int n = co_await ring_.poll(native_handle(), events);
    if (n < 0) co_return failure("poll", -n);
    co_return Result<>();
  }

  Ring& ring_;
  unsigned in_a_row_ = 0;
};

class UringEngine final : public Engine {
 public:
  UringEngine(asio::io_context& context, std::unique_ptr<Ring> ring)
      : executor_(context.get_executor()), ring_(std::move(ring)) {}

  std::unique_ptr<Stream> adopt(Fd fd) override { return std::make_unique<UringStream>(*ring_, std::move(fd)); }

  Task<Result<short>> poll(int fd, short events) override {
    const int n = co_await ring_->poll(fd, events);
    if (n < 0) co_return sys_error("poll", -n);
    co_return static_cast<short>(n);
  }

  const char* name() const override { return "io_uring"; }
  Executor executor() const override { return executor_; }
  bool turn(Clock::TimePoint sleep_until) override { return ring_->turn(sleep_until); }

 private:
  Executor executor_;
  std::unique_ptr<Ring> ring_;
};

}  // namespace

Result<std::unique_ptr<Engine>> make_uring_engine(asio::io_context& context) {
  auto ring = Ring::create(context.get_executor());
  if (!ring) return ring.error();
  std::unique_ptr<Engine> engine = std::make_unique<UringEngine>(context, std::move(*ring));
  return engine;
}

Result<std::unique_ptr<Engine>> make_engine(EngineKind kind, asio::io_context& context) {
  if (kind == EngineKind::epoll) return make_epoll_engine(context);
  auto engine = make_uring_engine(context);
  if (!engine && kind == EngineKind::automatic) {
    log::warn("no io_uring here, using epoll", {{"error", engine.error().message()}});
    return make_epoll_engine(context);
  }
  return engine;
}

}  // namespace gcs::io
