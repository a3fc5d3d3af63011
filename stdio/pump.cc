#include "stdio/pump.h"

#include <algorithm>

#include "stdio/io/splice.h"

namespace gcs::stdio {
namespace {

class CopyPump final : public Pump {
 public:
  explicit CopyPump(BufferPool& pool) : pool_(pool) {}

  bool holds_bytes() const override { return !held_.empty(); }

  io::Task<Result<size_t>> move(io::Stream& source, const Conn& conn) override {
    if (held_.empty()) {
      if (!buffer_) buffer_ = pool_.take();
      const auto n = co_await source.read_some(buffer_.bytes());
      if (!n) co_return size_t{0};  // a pipe or pty fails only when it is over
      if (*n == 0) co_return size_t{0};
      held_ = buffer_.bytes().first(*n);
    }
    size_t moved = 0;
    while (!held_.empty()) {
      const auto n = co_await conn->write_some(held_);
      if (!n) co_return failure_after(moved, n.error());
      held_ = held_.subspan(*n);
      moved += *n;
    }
    co_return moved;
  }

  void rest() override { buffer_.give_back(); }

 private:
  BufferPool& pool_;
  BufferPool::Buffer buffer_;
  io::Bytes held_;
};

class SplicePump final : public Pump {
 public:
  bool holds_bytes() const override { return false; }

  /// All that is there, so that a break which one call keeps to itself is met by the next.
  io::Task<Result<size_t>> move(io::Stream& source, const Conn& conn) override {
    const size_t there = io::readable_bytes(source.native_handle());
    size_t moved = 0;
    do {
      const auto n = io::splice_some(source.native_handle(), conn->native_handle(), std::max<size_t>(there - moved, 1));
      if (n && *n == 0) break;  // the end of the source
      if (n) {
        moved += *n;
        continue;
      }
      if (n.error().sys_errno() != EAGAIN) co_return failure_after(moved, n.error());
      // The source was readable and has no other reader, so it is the connection that is full.
      const auto room = co_await conn->wait_writable();
      if (!room) co_return failure_after(moved, room.error());
    } while (moved < there);
    co_return moved;
  }

  void rest() override {}
};

}  // namespace

io::Task<bool> Pump::replay(const Conn&) {
  co_return true;
}

Error failure_after(size_t moved, const Error& error) {
  if (moved == 0 || error.sys_errno() != EPIPE) return error;
  return Error(error.code(), error.message(), ECONNRESET);
}

std::unique_ptr<Pump> make_copy_pump(BufferPool& pool) {
  return std::make_unique<CopyPump>(pool);
}

std::unique_ptr<Pump> make_splice_pump() {
  return std::make_unique<SplicePump>();
}

std::unique_ptr<Pump> make_pump(BufferPool& pool, io::Clock& clock, TailPolicy policy, const io::Stream& source,
                                const io::Stream& conn) {
  const bool splices = io::splice_pays(source.native_handle(), conn.native_handle());
  if (policy == TailPolicy::replay) return splices ? make_tee_pump(clock) : make_tail_pump(clock);
  return splices ? make_splice_pump() : make_copy_pump(pool);
}

}  // namespace gcs::stdio
