#include "stdio/keep_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "stdio/io/splice.h"

namespace gcs::stdio {
namespace {

constexpr int kWanted = 1 << 20;  // what anybody may have, unless an administrator has said otherwise (pipe(7))

}  // namespace

Result<> KeepPipe::open() {
  if (pipe_.read) return {};
  auto ends = io::make_pipe();
  if (!ends) return ends.error();
  io::set_nonblocking(ends->read.get());
  io::set_nonblocking(ends->write.get());
  ::fcntl(ends->write.get(), F_SETPIPE_SZ, kWanted);  // refused where others have used up what a user may have
  const int granted = ::fcntl(ends->write.get(), F_GETPIPE_SZ);
  if (granted <= 0) return sys_error("size of a pipe");
  const auto can_discard = io::discard_bytes(ends->read.get(), 0);  // it needs a descriptor as well
  if (!can_discard) return can_discard;
  capacity_ = static_cast<size_t>(granted);
  pipe_ = std::move(*ends);
  return {};
}

void KeepPipe::close() {
  if (kept_ == 0 && unsent_ == 0) pipe_ = {};
}

size_t KeepPipe::bound() const {
  return std::min(kBound, capacity_ / 2);
}

Result<size_t> KeepPipe::take(int source, size_t most) {
  const auto trimmed = drop(kept_ > bound() ? kept_ - bound() : 0);
  if (!trimmed) return trimmed.error();
  auto taken = io::tee_some(source, pipe_.write.get(), most);
  const bool empty = taken || taken.error().sys_errno() != EAGAIN || io::readable_bytes(source) == 0;
  if (!empty) {
    // Many short pieces use up the pipe's pages: together they need few.
    const auto compacted = contents();
    if (!compacted) return compacted.error();
    taken = io::tee_some(source, pipe_.write.get(), most);
  }
  if (taken) unsent_ = *taken;
  return taken;
}

void KeepPipe::sent(size_t size) {
  unsent_ -= size;
  kept_ += size;
}

Result<> KeepPipe::take_over(int source) {
  return io::discard_bytes(source, unsent_);
}

void KeepPipe::confirmed() {
  discard(drop(kept_), "what stays would only be sent once more");
}

Result<> KeepPipe::drop(size_t size) {
  const auto dropped = io::discard_bytes(pipe_.read.get(), size);
  kept_ -= size;
  return dropped;
}

Result<std::vector<std::byte>> KeepPipe::contents() {
  std::vector<std::byte> bytes(kept_ + unsent_);
  size_t done = 0;
  while (done < bytes.size()) {
    const ssize_t n = ::read(pipe_.read.get(), bytes.data() + done, bytes.size() - done);
    if (n <= 0) return sys_error("read what was kept");
    done += static_cast<size_t>(n);
  }
  for (done = 0; done < bytes.size();) {
    const ssize_t n = ::write(pipe_.write.get(), bytes.data() + done, bytes.size() - done);
    if (n <= 0) return sys_error("keep it further");
    done += static_cast<size_t>(n);
  }
  return bytes;
}

io::Task<bool> KeepPipe::replay(io::Stream& conn) {
  const auto bytes = contents();
  if (!bytes) co_return true;  // it is lost, and the stream goes on
  io::Bytes rest(*bytes);
  if (kept_ > bound()) rest = rest.subspan(kept_ - bound());
  while (!rest.empty()) {
    const auto n = co_await conn.write_some(rest);
    if (!n) {
      if (rest.size() < unsent_) sent(unsent_ - rest.size());
      co_return false;
    }
    rest = rest.subspan(*n);
  }
  sent(unsent_);
  co_return true;
}

}  // namespace gcs::stdio
