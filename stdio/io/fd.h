#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "stdio/io/result.h"

namespace gcs::io {

/// Owns one file descriptor; closes it on destruction. Empty is -1.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept;
  ~Fd() { reset(); }

  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset();

 private:
  int fd_ = -1;
};

struct PipeEnds {
  Fd read;
  Fd write;
};

/// pipe2(2) with O_CLOEXEC; both ends blocking, for one of them is given to a child.
Result<PipeEnds> make_pipe();

/// open(2) with O_CLOEXEC added.
Result<Fd> open_file(const std::string& path, int flags, unsigned mode = 0);

/// The whole of a small file; more than `limit` bytes is `exhausted`.
Result<std::string> read_file(const std::string& path, size_t limit = 1 << 20);

/// Writes `text` with one write(2) per round, as /proc, /sys and cgroup files want it. `flags` is added to O_WRONLY.
Result<> write_file(const std::string& path, std::string_view text, int flags = 0, unsigned mode = 0644);

/// Makes O_NONBLOCK hold for the open file description.
void set_nonblocking(int fd);

}  // namespace gcs::io
