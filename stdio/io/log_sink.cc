#include "stdio/io/log_sink.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>

namespace gcs::log {
namespace {

/// Whether the descriptor has room, asked for at most `limit_ms`.
bool has_room(int fd, int limit_ms) {
  pollfd asked{fd, POLLOUT, 0};
  return ::poll(&asked, 1, limit_ms) > 0 && (asked.revents & POLLOUT) != 0;
}

}  // namespace

// stderr is shared with whoever started us, so O_NONBLOCK on it would be theirs too. A pipe can be opened again through
// /proc, which gives an open file description of our own; RWF_NOWAIT would do without /proc, but pipes know it only
// since Linux 6.5.
FdSink::FdSink(LineQueue& lines, int fd) : lines_(lines), fd_(fd) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) return;
  if (S_ISSOCK(status.st_mode)) kind_ = Kind::socket;
  if (!S_ISFIFO(status.st_mode)) return;
  kind_ = Kind::pipe;
  auto own = io::open_file("/proc/self/fd/" + std::to_string(fd), O_WRONLY | O_NONBLOCK);
  if (own) own_ = std::move(*own);
}

bool FdSink::flush() {
  const std::lock_guard lock(mutex_);
  for (;;) {
    if (batch_.empty()) batch_ = LineBatch(lines_.take(PIPE_BUF));
    if (batch_.empty()) return true;
    const ssize_t n = write_some(batch_.rest());
    if (n <= 0) return false;
    batch_.advance(static_cast<size_t>(n));
  }
}

ssize_t FdSink::write_some(std::string_view text) {
  if (kind_ == Kind::pipe && !own_) {
    // Before /proc is mounted: a pipe with room takes PIPE_BUF bytes at once, unless another writer was faster.
    if (!has_room(fd_, 0)) return -1;
    text = text.substr(0, PIPE_BUF);
  }
  for (;;) {
    const ssize_t n = kind_ == Kind::socket ? ::send(fd_, text.data(), text.size(), MSG_DONTWAIT | MSG_NOSIGNAL)
                                            : ::write(fd(), text.data(), text.size());
    if (n >= 0 || errno != EINTR) return n;
  }
}

void FdSink::flush_within(std::chrono::milliseconds limit) {
  using Clock = std::chrono::steady_clock;
  const auto deadline = Clock::now() + limit;
  while (!flush()) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now());
    if (left.count() <= 0 || !has_room(fd(), static_cast<int>(left.count()))) return;
  }
}

io::Task<> keep_flushed(FdSink& sink, io::Engine& engine) {
  while (sink.has_reader()) {
    if (sink.flush()) {
      co_await sink.lines().wake().wait(engine.executor(), "log lines");
      continue;
    }
    const auto ready = co_await engine.poll(sink.fd(), POLLOUT);
    if (!ready || (*ready & (POLLERR | POLLHUP)) != 0) co_return;
  }
}

}  // namespace gcs::log
