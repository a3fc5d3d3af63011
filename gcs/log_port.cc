#include "gcs/log_port.h"

#include <sys/socket.h>

#include <array>

#include "gcs/redial_pace.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

// What is taken from the queue at once; beyond it the oldest lines can still be dropped.
constexpr size_t kMaxBatch = 16 << 10;

constexpr std::chrono::milliseconds kFlushTime{200};

/// Returns at the end of what the host sends here, which is nothing.
io::Task<> read_to_end(io::Stream& conn) {
  std::array<std::byte, 64> ignored;
  for (;;) {
    const auto n = co_await conn.read_some(ignored);
    if (!n || *n == 0) co_return;
  }
}

/// Tells a host that has shut its writing side from one that has closed: sending nothing fails on a closed one.
bool host_reads(const io::Stream& conn) {
  return ::send(conn.native_handle(), "", 0, MSG_NOSIGNAL | MSG_DONTWAIT) == 0;
}

}  // namespace

void LogPort::start(io::Port port, log::LineQueue& lines) {
  lines_ = &lines;
  group_.spawn("log port", run(port));
}

io::Task<> LogPort::flush() {
  auto settled = [this] { return !connected_ || (batch_.empty() && lines_->empty()); };
  co_await settled_.wait_until(clock_, clock_.now() + kFlushTime, settled);
}

io::Task<> LogPort::stop() {
  co_await flush();
  group_.cancel();
  co_await group_.join();
}

io::Task<> LogPort::run(io::Port port) {
  auto lost_at = clock_.now();
  uint64_t connections = 0;
  for (;;) {
    auto conn = co_await dialer_.dial(port);
    if (conn) {
      log::debug("log port connected", {{"connection", ++connections}});
      co_await serve(**conn);
      lost_at = clock_.now();
    }
    // Also after a loss: a host that accepts and drops at once must not make us spin.
    co_await io::sleep_until(executor_, clock_, clock_.now() + redial_pause(clock_.now() - lost_at));
  }
}

/// One connection from its begin to its loss. A loss is noticed without a line to send, for the host may wait for us to
/// dial again before it goes on.
io::Task<> LogPort::serve(io::Stream& conn) {
  io::TaskGroup writing(executor_);
  writing.spawn("log port writer", send_lines(conn));
  connected_ = true;
  std::exception_ptr ended;
  try {
    co_await read_to_end(conn);
    if (host_reads(conn)) co_await writing.join();
  } catch (...) {
    ended = std::current_exception();  // cancelled: the writer must end first all the same
  }
  const bool before = co_await io::heeds_cancellation();
  co_await io::ignore_cancellation();  // bounded: a broken connection ends every write
  conn.shut_down();
  writing.cancel();
  co_await writing.join();
  batch_.rewind();
  connected_ = false;
  settled_.notify_all();
  co_await io::heed_cancellation(before);
  if (ended) std::rethrow_exception(ended);
}

io::Task<> LogPort::send_lines(io::Stream& conn) {
  for (;;) {
    if (batch_.empty()) batch_ = log::LineBatch(lines_->take(kMaxBatch));
    if (batch_.empty()) {
      settled_.notify_all();
      co_await lines_->wake().wait(executor_, "log lines");
      continue;
    }
    const auto n = co_await conn.write_some(io::as_bytes(batch_.rest()));
    if (!n) break;
    batch_.advance(*n);
  }
  conn.shut_down();  // ends the read beside this
}

}  // namespace gcs
