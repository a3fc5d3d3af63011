#include "tests/chaos/present_host.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace gcs::chaos {

PresentHost::PresentHost(io::Engine& engine, io::Clock& clock, io::TransportName transport, Verdict& verdict)
    : engine_(engine),
      clock_(clock),
      transport_(std::move(transport)),
      verdict_(verdict),
      changed_(engine.executor(), "present host"),
      group_(engine.executor()) {
  add_host();
}

void PresentHost::add_host() {
  hosts_.push_back(std::make_unique<host::LocalHost>(engine_, clock_, transport_));
  client().keep_calls(true);
  client().look_first(true);
}

io::Task<> PresentHost::replace() {
  seed_ = std::max(seed_, client().seed());
  co_await client().stop();
  add_host();
}

void PresentHost::watch_all() {
  client().continue_from(seed_);
  for (const auto& [container, told] : containers_) {
    if (told) continue;
    discard(client().watch(container), "a returning host watches it already");
    group_.spawn("exit of " + container.substr(0, 8), listen(client(), container));
  }
}

void PresentHost::set_up(bool up) {
  if (up_ && !up) ++outages_;
  up_ = up;
  changed_.notify_all();
}

io::Task<> PresentHost::up() {
  auto there = [this] { return is_up(); };
  co_await changed_.wait(there);
}

io::Task<std::unique_ptr<PresentHost::Operation>> PresentHost::begin() {
  auto allowed = [this] { return is_up() && !closed_to_new_; };
  co_await changed_.wait(allowed);
  co_return std::make_unique<Operation>(*this);
}

io::Task<bool> PresentHost::quiesce(io::Clock::Duration limit) {
  closed_to_new_ = true;
  auto none = [this] { return operations_ == 0; };
  co_return co_await changed_.wait_until(clock_, clock_.now() + limit, none);
}

void PresentHost::let_begin() {
  closed_to_new_ = false;
  changed_.notify_all();
}

io::Task<Result<host::json>> PresentHost::call(host::Message message, host::json body) {
  co_await up();
  co_return co_await client().call(message, std::move(body));
}

io::Task<Result<io::Port>> PresentHost::next_port() {
  co_return ports_.next();
}

io::Task<Result<>> PresentHost::watch(std::string container) {
  containers_[container] = false;
  const auto watched = client().watch(container);
  if (watched) group_.spawn("exit of " + container.substr(0, 8), listen(client(), container));
  co_return watched;
}

io::Task<Result<>> PresentHost::unwatch(std::string container) {
  containers_.erase(container);
  client().unwatch(container);
  co_return Result<>();
}

io::Task<> PresentHost::listen(host::BridgeClient& client, std::string container) {
  const auto told = co_await client.exited(container);
  if (!told) co_return;
  bool& before = containers_[container];
  if (before) verdict_.broken(Invariant::notifications, "exit of " + container.substr(0, 8) + " told twice");
  before = true;
  changed_.notify_all();
}

io::Task<Result<host::json>> PresentHost::exited(std::string container) {
  auto known = [this, &container] { return told(container); };
  co_await changed_.wait(known);
  co_return host::json::object();
}

io::Task<Result<>> PresentHost::power_off() {
  co_return Error(Errc::unsupported, "nobody asked for this");
}

io::Task<> PresentHost::stop() {
  co_await client().stop();
  group_.cancel();
  co_await group_.join();
}

}  // namespace gcs::chaos
