#include "stdio/pump.h"

#include "stdio/io/splice.h"

namespace gcs::stdio {
namespace {

constexpr size_t kChunk = 256 * 1024;  // the output pipe's size: one call empties it

class CopyPump final : public Pump {
 public:
  explicit CopyPump(BufferPool& pool) : pool_(pool) {}

  bool holds_bytes() const override { return !held_.empty(); }

  io::Task<Result<bool>> move(io::Stream& source, io::Stream& conn) override {
    if (held_.empty()) {
      if (!buffer_) buffer_ = pool_.take();
      const auto n = co_await source.read_some(buffer_.bytes());
      if (!n) co_return false;  // a pipe or pty fails only when it is over
      if (*n == 0) co_return false;
      held_ = buffer_.bytes().first(*n);
    }
    while (!held_.empty()) {
      const auto n = co_await conn.write_some(held_);
      if (!n) co_return n.error();
      held_ = held_.subspan(*n);
    }
    co_return true;
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

  io::Task<Result<bool>> move(io::Stream& source, io::Stream& conn) override {
    for (;;) {
      const auto n = io::splice_some(source.native_handle(), conn.native_handle(), kChunk);
      if (n) co_return *n > 0;
      if (n.error().sys_errno() != EAGAIN) co_return n.error();
      // The source was readable and has no other reader, so it is the connection that is full.
      const auto room = co_await conn.wait_writable();
      if (!room) co_return room.error();
    }
  }

  void rest() override {}
};

}  // namespace

std::unique_ptr<Pump> make_copy_pump(BufferPool& pool) {
  return std::make_unique<CopyPump>(pool);
}

std::unique_ptr<Pump> make_pump(BufferPool& pool, const io::Stream& source, const io::Stream& conn) {
  if (io::splice_pays(source.native_handle(), conn.native_handle())) return std::make_unique<SplicePump>();
  return make_copy_pump(pool);
}

}  // namespace gcs::stdio
