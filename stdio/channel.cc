#include "stdio/channel.h"

#include <array>

#include "stdio/io/log.h"
#include "stdio/redialer.h"

namespace gcs::stdio {

io::Task<> Channel::keep_output(OutputRelay& relay) {
  for (;;) {
    const auto lease = co_await slot_.acquire();
    if (!lease) co_return;
    const uint64_t made_in = context_.link.sessions();
    std::array<std::byte, 64> unexpected;
    auto n = co_await (*lease)->read_some(unexpected);
    while (n && *n > 0) n = co_await (*lease)->read_some(unexpected);
    (*lease)->shut_down();  // ends a write that is under way
    const int write_error = co_await slot_.write_error(lease->generation());
    if (slot_.is_closed()) co_return;
    const bool orderly = n && write_error != ECONNRESET;
    if (orderly) {
      const bool confirms = relay.state() == RelayState::confirming;
      const bool outage = co_await context_.link.is_outage(made_in, confirms);
      if (!outage) {
        log::debug("stream closed by the host",
                   {{"port", static_cast<uint64_t>(port_)}, {"confirms", confirms}, {"errno", write_error}});
        co_return slot_.close();
      }
    }
    // close(2) of an AF_UNIX socket is orderly only when everything was read (unix(7)).
    if (orderly && (*lease)->unread()) relay.confirmed();
    slot_.drain(lease->generation());
    co_await refill(&relay);
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

io::Task<> Channel::refill(OutputRelay* output) {
  for (;;) {
    auto conn = co_await redial(context_, container_id_, port_);
    if (conn == nullptr) co_return slot_.close();
    const bool caught_up = output == nullptr || co_await output->replay(conn);
    if (!caught_up) continue;
    slot_.refill(std::move(conn));
    co_return;
  }
}

}  // namespace gcs::stdio
