#include "stdio/channel.h"

#include <array>

#include "stdio/redialer.h"

namespace gcs::stdio {

io::Task<> Channel::keep_output() {
  for (;;) {
    const auto lease = co_await slot_.acquire();
    if (!lease) co_return;
    std::array<std::byte, 64> unexpected;
    auto n = co_await (*lease)->read_some(unexpected);
    while (n && *n > 0) n = co_await (*lease)->read_some(unexpected);
    if (n && context_.link.is_up()) {
      slot_.close();
      co_return;
    }
    slot_.drain(lease->generation());
    co_await refill();
  }
}

io::Task<> Channel::keep_input() {
  for (;;) {
    const auto lease = co_await slot_.acquire();
    if (!lease) co_return;
    co_await slot_.drained(lease->generation());
    if (!slot_.is_closed()) co_await refill();
  }
}

io::Task<> Channel::refill() {
  auto conn = co_await redial(context_, port_);
  if (conn == nullptr) {
    slot_.close();
  } else {
    slot_.refill(std::move(conn));
  }
}

}  // namespace gcs::stdio
