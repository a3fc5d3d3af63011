#pragma once

#include <string>

#include "stdio/io/clock.h"
#include "stdio/io/engine.h"

namespace gcs::runtime {

/// The Unix socket over which an OCI runtime hands us the master of a container's terminal (runc's "console socket").
class ConsoleSocket {
 public:
  /// Listens at `path`, which is removed again with the object.
  static Result<ConsoleSocket> listen(std::string path);
  ConsoleSocket(ConsoleSocket&& other) noexcept = default;
  ConsoleSocket& operator=(ConsoleSocket&&) = delete;
  ~ConsoleSocket();

  const std::string& path() const { return path_; }

  /// The descriptor that the runtime sends; `timed_out` if none comes in time.
  io::Task<Result<io::Fd>> receive(io::Engine& engine, io::Clock& clock, io::Clock::Duration limit);

 private:
  ConsoleSocket(std::string path, io::Fd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

  std::string path_;
  io::Fd fd_;
};

/// A pty for a process that no OCI runtime starts.
struct Pty {
  io::Fd master;
  io::Fd slave;
};
Result<Pty> open_pty();

}  // namespace gcs::runtime
