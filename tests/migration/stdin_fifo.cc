#include "tests/migration/stdin_fifo.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>

namespace gcs::migration {

Result<std::unique_ptr<StdinFifo>> StdinFifo::open(io::Engine& engine, const std::string& path) {
  if (::mkfifo(path.c_str(), 0600) != 0 && errno != EEXIST) return sys_error("mkfifo " + path);
  io::Fd fifo(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (!fifo) return sys_error("open " + path);
  struct stat status {};
  if (::fstat(fifo.get(), &status) != 0) return sys_error("stat " + path);
  if (!S_ISFIFO(status.st_mode)) return Error(Errc::invalid_argument, path + " is no FIFO");
  auto copy = io::make_pipe();
  if (!copy) return copy.error().within(path);
  return std::unique_ptr<StdinFifo>(new StdinFifo(engine.adopt(std::move(fifo)), std::move(*copy)));
}

Result<std::optional<size_t>> StdinFifo::look(io::MutableBytes room) {
  const ssize_t seen = ::tee(fifo_->native_handle(), copy_.write.get(), room.size(), SPLICE_F_NONBLOCK);
  if (seen < 0 && (errno == EAGAIN || errno == EINTR)) return std::optional<size_t>();
  if (seen < 0) return sys_error("tee");
  size_t copied = 0;
  while (copied < static_cast<size_t>(seen)) {
    const ssize_t n = ::read(copy_.read.get(), room.data() + copied, static_cast<size_t>(seen) - copied);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return sys_error("read");
    copied += static_cast<size_t>(n);
  }
  return std::optional<size_t>(copied);
}

void StdinFifo::drop(size_t count) {
  std::array<char, 4096> bin;
  while (count > 0) {
    const ssize_t n = ::read(fifo_->native_handle(), bin.data(), std::min(count, bin.size()));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return;  // somebody else has read here
    count -= static_cast<size_t>(n);
  }
}

}  // namespace gcs::migration
