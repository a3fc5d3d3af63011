#include "stdio/redialer.h"

namespace gcs::stdio {
namespace {

constexpr std::chrono::milliseconds kPause{10};
constexpr std::chrono::seconds kLimit{15};

}  // namespace

io::Task<Conn> redial(StdioContext& context, const std::string& container_id, io::Port port) {
  auto allowed = [&link = context.link, &container_id] { return link.may_dial(container_id); };
  for (;;) {
    co_await context.link.changed().wait(allowed);
    const auto limit = context.clock.now() + kLimit;
    while (allowed()) {
      auto dialled = co_await context.dialer.dial(port);
      if (dialled) co_return Conn(std::move(*dialled));
      if (context.clock.now() >= limit) co_return Conn();
      co_await io::sleep_until(context.executor, context.clock, context.clock.now() + kPause);
    }
  }
}

}  // namespace gcs::stdio
