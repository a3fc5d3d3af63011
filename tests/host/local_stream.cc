#include "tests/host/local_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace gcs::host {
namespace {

// What a pipe or socket that poll(2) calls writable takes without blocking.
constexpr size_t kSafeWrite = 4096;

/// Blocking system calls on a descriptor that is somebody else's, each after a poll.
class BorrowedStream final : public io::Stream {
 public:
  BorrowedStream(io::Engine& engine, int fd, bool always_ready) : engine_(engine), fd_(fd), ready_(always_ready) {}

  io::Task<Result<size_t>> read_some(io::MutableBytes buffer) override {
    const auto waited = co_await wait_readable();
    if (!waited) co_return waited.error();
    const ssize_t n = ::read(fd_, buffer.data(), buffer.size());
    if (n >= 0) co_return static_cast<size_t>(n);
    if (errno == EIO) co_return size_t{0};
    co_return sys_error("read");
  }

  io::Task<Result<size_t>> write_some(io::Bytes data) override {
    const auto waited = co_await wait_writable();
    if (!waited) co_return waited.error();
    const ssize_t n = ::write(fd_, data.data(), ready_ ? data.size() : std::min(data.size(), kSafeWrite));
    if (n >= 0) co_return static_cast<size_t>(n);
    co_return sys_error("write");
  }

  io::Task<Result<>> wait_readable() override { return wait(POLLIN); }
  io::Task<Result<>> wait_writable() override { return wait(POLLOUT); }
  void shut_write() override {}
  void shut_read() override {}
  void shut_down() override {}
  int native_handle() const override { return fd_; }

 private:
  io::Task<Result<>> wait(short events) {
    if (ready_) co_return Result<>();
    const auto polled = co_await engine_.poll(fd_, events);
    if (!polled) co_return polled.error();
    co_return Result<>();
  }

  io::Engine& engine_;
  int fd_;
  bool ready_;
};

io::Fd opened_anew(int fd, Direction direction) {
  const int mode = direction == Direction::input ? O_RDONLY : O_WRONLY;
  const std::string path = "/proc/self/fd/" + std::to_string(fd);
  auto again = io::open_file(path, mode | O_NONBLOCK | O_NOCTTY);
  return again ? std::move(*again) : io::Fd();
}

}  // namespace

std::unique_ptr<io::Stream> open_local(io::Engine& engine, int fd, Direction direction) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) status.st_mode = S_IFREG;  // closed: reading or writing it will say so
  const bool terminal = S_ISCHR(status.st_mode) && ::isatty(fd) == 1;
  if (S_ISFIFO(status.st_mode) || terminal) {
    io::Fd again = opened_anew(fd, direction);
    if (again) return engine.adopt(std::move(again));
  }
  const bool always_ready =
      S_ISREG(status.st_mode) || S_ISBLK(status.st_mode) || (S_ISCHR(status.st_mode) && !terminal);
  return std::make_unique<BorrowedStream>(engine, fd, always_ready);
}

}  // namespace gcs::host
