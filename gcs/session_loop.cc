#include "gcs/redial_pace.h"
#include "gcs/service.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

constexpr std::chrono::milliseconds kShortPause{10};

/// However the session ends.
class DownAfter {
 public:
  explicit DownAfter(stdio::HostLink& link) : link_(link) {}
  ~DownAfter() { link_.set_down(); }
  DownAfter(const DownAfter&) = delete;
  DownAfter& operator=(const DownAfter&) = delete;

 private:
  stdio::HostLink& link_;
};

}  // namespace

/// One session, from its connection to its loss.
io::Task<Error> Service::serve(std::unique_ptr<io::Stream> conn, uint64_t number) {
  const DownAfter down_after(link_);
  auto on_negotiated = [this](const io::Stream& bridge) {
    link_.set_up(bridge);
    restore_.negotiated();
  };
  bridge::Session session(std::move(conn), number, exchange_, clock_, on_negotiated);
  co_return co_await session.run();
}

/// Dial, serve, dial again: for ever, until the service is stopped or the VM powered off, or there is nothing to dial.
io::Task<> Service::keep_session() {
  auto lost_at = clock_.now();
  bool failed_before = false;
  for (;;) {
    auto conn = co_await dialer_->dial(bridge::kBridgePort);
    if (!conn && conn.error().code() == Errc::wrong_state) {
      log::info("no host can come any more", {{"reason", conn.error().message()}});
      co_return end_();
    }
    if (!conn) {
      if (!failed_before) log::info("waiting for the host", {{"error", conn.error().message()}});
      failed_before = true;
      co_await io::sleep_until(loop_.executor(), clock_, clock_.now() + redial_pause(clock_.now() - lost_at));
      continue;
    }
    failed_before = false;
    const uint64_t number = ++sessions_;
    log::info("connected to the host", {{"session", number}});
    const auto began = clock_.now();
    const Error loss = co_await serve(std::move(*conn), number);
    lost_at = clock_.now();
    if (loss.sys_errno() == ECANCELED) co_return;
    log::warn("session lost", {{"session", number}, {"error", loss.message()}});
    // A host that accepts and drops at once must not make us spin.
    if (lost_at - began < kShortPause) co_await io::sleep_until(loop_.executor(), clock_, clock_.now() + kShortPause);
  }
}

}  // namespace gcs
