#include "stdio/pump.h"
#include "stdio/read_watch.h"
#include "stdio/tail.h"

namespace gcs::stdio {
namespace {

class TailPump final : public Pump {
 public:
  explicit TailPump(io::Clock& clock) : watch_(clock, [this] { let_go(); }) {}

  bool holds_bytes() const override { return !tail_.unsent().empty(); }

  io::Task<Result<size_t>> move(io::Stream& source, const Conn& conn) override {
    watch_.stop();
    if (tail_.unsent().empty()) {
      if (ReadWatch::has_read_all(*conn)) tail_.confirmed();
      const auto n = co_await source.read_some(tail_.room());
      if (!n) co_return size_t{0};  // a pipe fails only when it is over
      if (*n == 0) co_return size_t{0};
      tail_.filled(*n);
    }
    size_t moved = 0;
    while (!tail_.unsent().empty()) {
      const auto n = co_await conn->write_some(tail_.unsent());
      watch_.sent(conn);
      if (!n) co_return failure_after(moved, n.error());
      tail_.sent(*n);
      moved += *n;
    }
    co_return moved;
  }

  void rest() override {
    if (tail_.kept() == 0) return tail_.release();
    watch_.look_later();
  }

  void confirmed() override { tail_.confirmed(); }

  io::Task<bool> replay(const Conn& conn) override {
    tail_.reconnected();
    while (!tail_.unsent().empty()) {
      const auto n = co_await conn->write_some(tail_.unsent());
      if (!n) co_return false;
      tail_.sent(*n);
    }
    watch_.sent(conn);
    watch_.look_later();
    co_return true;
  }

 private:
  void let_go() {
    tail_.confirmed();
    tail_.release();
  }

  Tail tail_;
  ReadWatch watch_;
};

}  // namespace

std::unique_ptr<Pump> make_tail_pump(io::Clock& clock) {
  return std::make_unique<TailPump>(clock);
}

}  // namespace gcs::stdio
