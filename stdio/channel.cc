#include "stdio/channel.h"

#include <array>

#include "stdio/redialer.h"

namespace gcs::stdio {
namespace {

/// Sends all of it; false when the connection broke on the way.
io::Task<bool> replay(Tail& tail, io::Stream& conn) {
  tail.reconnected();
  while (!tail.unsent().empty()) {
    const auto n = co_await conn.write_some(tail.unsent());
    if (!n) co_return false;
    tail.sent(*n);
  }
  co_return true;
}

/// A break is told once (SO_ERROR), and a write that gets some bytes out before it meets it keeps it to itself: the
/// next one finds EPIPE. That matters where the reader could have told a reset from an end.
bool is_reset(int write_error, const io::Stream& conn) {
  return write_error == ECONNRESET || (write_error != 0 && conn.unread());
}

}  // namespace

io::Task<> Channel::keep_output(const OutputRelay& relay) {
  for (;;) {
    const auto lease = co_await slot_.acquire();
    if (!lease) co_return;
    std::array<std::byte, 64> unexpected;
    auto n = co_await (*lease)->read_some(unexpected);
    while (n && *n > 0) n = co_await (*lease)->read_some(unexpected);
    (*lease)->shut_down();  // ends a write that is under way
    const int write_error = co_await slot_.write_error(lease->generation());
    if (slot_.is_closed()) co_return;
    const bool orderly = n && !is_reset(write_error, **lease);
    if (orderly) {
      bool outage = !context_.link.is_up();
      const bool confirms = relay.state() == RelayState::confirming;
      if (!outage && !confirms) outage = co_await context_.link.goes_down(context_.clock);
      if (!outage) co_return slot_.close();
    }
    // close(2) of an AF_UNIX socket is orderly only when everything was read (unix(7)).
    Tail* const tail = relay.tail();
    if (tail != nullptr && orderly && (*lease)->unread()) tail->confirmed();
    slot_.drain(lease->generation());
    co_await refill(tail);
  }
}

io::Task<> Channel::keep_input() {
  for (;;) {
    const auto lease = co_await slot_.acquire();
    if (!lease) co_return;
    co_await slot_.drained(lease->generation());
    if (!slot_.is_closed()) co_await refill(nullptr);
  }
}

io::Task<> Channel::refill(Tail* tail) {
  for (;;) {
    auto conn = co_await redial(context_, container_id_, port_);
    if (conn == nullptr) co_return slot_.close();
    const bool caught_up = tail == nullptr || co_await replay(*tail, *conn);
    if (!caught_up) continue;
    slot_.refill(std::move(conn));
    co_return;
  }
}

}  // namespace gcs::stdio
