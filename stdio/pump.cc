#include "stdio/pump.h"

#include "stdio/io/splice.h"

namespace gcs::stdio {
namespace {

constexpr size_t kChunk = 256 * 1024;  // the output pipe's size: one call empties it

/// A break is told once (socket(7), SO_ERROR), and a write that gets some bytes out before it meets one keeps it to
/// itself: the next one then finds EPIPE where the reader could have told a reset from an end.
Error failure_after(size_t moved, const Error& error) {
  if (moved == 0 || error.sys_errno() != EPIPE) return error;
  return Error(error.code(), error.message(), ECONNRESET);
}

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

  io::Task<Result<size_t>> move(io::Stream& source, const Conn& conn) override {
    for (;;) {
      const auto n = io::splice_some(source.native_handle(), conn->native_handle(), kChunk);
      if (n) co_return *n;
      if (n.error().sys_errno() != EAGAIN) co_return n.error();
      // The source was readable and has no other reader, so it is the connection that is full.
      const auto room = co_await conn->wait_writable();
      if (!room) co_return room.error();
    }
  }

  void rest() override {}
};

class TailPump final : public Pump {
 public:
  TailPump(Tail& tail, io::Clock& clock) : tail_(tail), clock_(clock) {}

  bool holds_bytes() const override { return !tail_.unsent().empty(); }

  io::Task<Result<size_t>> move(io::Stream& source, const Conn& conn) override {
    look_again_ = {};
    if (tail_.unsent().empty()) {
      if (conn->unread() == size_t{0} && !conn->hung_up()) tail_.confirmed();
      const auto n = co_await source.read_some(tail_.room());
      if (!n) co_return size_t{0};  // a pipe fails only when it is over
      if (*n == 0) co_return size_t{0};
      tail_.filled(*n);
    }
    conn_ = conn;
    size_t moved = 0;
    while (!tail_.unsent().empty()) {
      const auto n = co_await conn->write_some(tail_.unsent());
      sent_at_ = clock_.now();
      if (!n) co_return failure_after(moved, n.error());
      tail_.sent(*n);
      moved += *n;
    }
    co_return moved;
  }

  void rest() override { look_later(); }

 private:
  // A stream that idles is looked at until the host has read what it was sent. Where the transport does not tell, a
  // connection that has been quiet for so long, and is still there, has delivered: a lost one is noticed within 4 s
  // after a migration, and in a blackout the clock stands still.
  static constexpr std::chrono::milliseconds kLook{200};
  static constexpr std::chrono::seconds kDelivered{5};

  void look_later() {
    if (tail_.kept() == 0) return tail_.release();
    look_again_ = clock_.at(clock_.now() + kLook, [this] { look(); });
  }

  void look() {
    const Conn conn = conn_.lock();
    if (conn == nullptr) return;  // broken: the next connection gets it all
    const auto unread = conn->unread();
    if (unread ? *unread == 0 && !conn->hung_up() : clock_.now() - sent_at_ >= kDelivered) tail_.confirmed();
    look_later();
  }

  Tail& tail_;
  io::Clock& clock_;
  std::weak_ptr<io::Stream> conn_;
  io::Clock::TimePoint sent_at_{};
  io::Alarm look_again_;
};

}  // namespace

std::unique_ptr<Pump> make_tail_pump(Tail& tail, io::Clock& clock) {
  return std::make_unique<TailPump>(tail, clock);
}

std::unique_ptr<Pump> make_copy_pump(BufferPool& pool) {
  return std::make_unique<CopyPump>(pool);
}

std::unique_ptr<Pump> make_pump(BufferPool& pool, const io::Stream& source, const io::Stream& conn) {
  if (io::splice_pays(source.native_handle(), conn.native_handle())) return std::make_unique<SplicePump>();
  return make_copy_pump(pool);
}

}  // namespace gcs::stdio
