#pragma once

#include <memory>
#include <string>

#include "stdio/io/clock.h"
#include "stdio/io/stream.h"

namespace gcs::io {

enum class EngineKind { automatic, uring, epoll };

/// What moves bytes: our io_uring, or Asio's epoll where the kernel has or allows no ring. Chosen once at start; the
/// same streams on both, and every I/O test runs on both. Lives as long as the loop; outlives every stream it made.
class Engine {
 public:
  virtual ~Engine() = default;

  /// Takes over a descriptor as a stream and makes it non-blocking. `socket` says that it is one: sends then never
  /// raise SIGPIPE and errors mean `disconnected`.
  virtual std::unique_ptr<Stream> adopt(Fd fd) = 0;

  /// Waits until poll(2) would report one of `events` (or an error or hang-up) for a descriptor that the caller keeps
  /// open; gives the events.
  virtual Task<Result<short>> poll(int fd, short events) = 0;

  virtual const char* name() const = 0;
  virtual Executor executor() const = 0;

  /// Hands what was queued to the kernel and posts what has completed; true when there was anything. Where there is
  /// nothing it sleeps first, at most until `sleep_until`: until a completion, or a wake_loop(). The loop calls it when
  /// nothing else is left to do in this turn.
  virtual bool turn(Clock::TimePoint sleep_until) = 0;
};

/// `uring` without a usable ring is an error; `automatic` then falls back to epoll and logs why.
Result<std::unique_ptr<Engine>> make_engine(EngineKind kind, asio::io_context& context);

std::unique_ptr<Engine> make_epoll_engine(asio::io_context& context);
Result<std::unique_ptr<Engine>> make_uring_engine(asio::io_context& context);

}  // namespace gcs::io
