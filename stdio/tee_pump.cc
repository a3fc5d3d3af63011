#include "stdio/io/log.h"
#include "stdio/io/splice.h"
#include "stdio/keep_pipe.h"
#include "stdio/pump.h"
#include "stdio/read_watch.h"

namespace gcs::stdio {
namespace {

constexpr size_t kChunk = 256 * 1024;  // the output pipe's size: one call empties it

class TeePump final : public Pump {
 public:
  explicit TeePump(io::Clock& clock) : watch_(clock, [this] { let_go(); }) {}

  bool holds_bytes() const override { return keep_.unsent() > 0; }

  io::Task<Result<size_t>> move(io::Stream& source, const Conn& conn) override {
    watch_.stop();
    const auto open = keep_.open();
    if (!open) {
      log::warn("output is not kept against outages", {{"error", open.error().message()}});
      if (plain_ == nullptr) plain_ = make_splice_pump();
      co_return co_await plain_->move(source, conn);
    }
    if (keep_.unsent() == 0) {
      if (keep_.kept() > 0 && ReadWatch::has_read_all(*conn)) keep_.confirmed();
      const auto taken = keep_.take(source.native_handle(), kChunk);
      if (!taken || *taken == 0) co_return size_t{0};  // a pipe fails only when it is over
    }
    size_t moved = 0;
    while (keep_.unsent() > 0) {
      const auto n = co_await some(source, *conn);
      watch_.sent(conn);
      if (!n) {
        discard(keep_.take_over(source.native_handle()), "doubled at worst");
        co_return failure_after(moved, n.error());
      }
      keep_.sent(*n);
      moved += *n;
    }
    co_return moved;
  }

  void rest() override {
    if (keep_.kept() == 0) return keep_.close();
    watch_.look_later();
  }

  void confirmed() override { keep_.confirmed(); }

  io::Task<bool> replay(const Conn& conn) override {
    const bool caught_up = co_await keep_.replay(*conn);
    watch_.sent(conn);
    watch_.look_later();
    co_return caught_up;
  }

 private:
  io::Task<Result<size_t>> some(io::Stream& source, io::Stream& conn) {
    for (;;) {
      const auto n = io::splice_some(source.native_handle(), conn.native_handle(), keep_.unsent());
      if (n || n.error().sys_errno() != EAGAIN) co_return n;
      const auto room = co_await conn.wait_writable();
      if (!room) co_return room.error();
    }
  }

  void let_go() {
    keep_.confirmed();
    keep_.close();
  }

  KeepPipe keep_;
  ReadWatch watch_;
  std::unique_ptr<Pump> plain_;  // where there are no descriptors left
};

}  // namespace

std::unique_ptr<Pump> make_tee_pump(io::Clock& clock) {
  return std::make_unique<TeePump>(clock);
}

}  // namespace gcs::stdio
