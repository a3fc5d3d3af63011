#include "tests/migration/stay.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "stdio/io/log.h"
#include "tests/host/call.h"

namespace gcs::migration {
namespace {

using host::StreamEnd;

constexpr std::chrono::milliseconds kRetryPause{10};
constexpr std::chrono::minutes kBridgeLimit{2};  // from the VM's resume to the guest's dial, as upstream

}  // namespace

Stay::Stay(io::Engine& engine, io::Clock& clock, const io::TransportName& transport, io::Condition& changed)
    : engine_(engine),
      clock_(clock),
      changed_(changed),
      host_(engine, clock, transport),
      dialling_(engine.executor()),
      keeper_(engine.executor()) {
  client().keep_calls(true);
}

KeptContainer* Stay::find(const std::string& id) {
  const auto found = containers_.find(id);
  return found == containers_.end() ? nullptr : found->second.get();
}

std::unique_ptr<KeptContainer> Stay::make_container(ContainerRecord record, host::KeptProcess::Users users) {
  return std::make_unique<KeptContainer>(engine_.executor(), clock_, std::move(record), users,
                                         [this] { return here_; });
}

void Stay::add(std::unique_ptr<KeptContainer> container) {
  const std::string id = container->record.id;
  containers_[id] = std::move(container);
}

void Stay::set_here(bool here) {
  here_ = here;
  changed_.notify_all();
}

void Stay::keep() {
  keeper_.spawn("bridge keeper", keep_bridge());
}

io::Task<> Stay::rest() {
  keeper_.cancel();
  dialling_.cancel();
  co_await keeper_.join();
  co_await dialling_.join();
}

io::Task<Result<>> Stay::take_bridge(bool only_here) {
  dialled_.reset();
  dialling_.spawn("guest's dial", dial_in());
  const auto deadline = clock_.now() + kBridgeLimit;
  auto decided = [this, only_here] { return dialled_ || stopping_ || (only_here && !here_); };
  co_await changed_.wait_until(clock_, deadline, decided);
  dialling_.cancel();
  co_await dialling_.join();
  if (dialled_ && *dialled_) co_return Result<>();
  if (stopping_ || (only_here && !here_)) co_return Error(Errc::wrong_state, "the guest is not awaited here any more");
  co_return dialled_ ? dialled_->error() : Error(Errc::timed_out, "the guest's dial took too long");
}

/// Until it has negotiated: a connection that breaks at once is none, and the guest dials again.
io::Task<> Stay::dial_in() {
  struct Attempt {
    host::BridgeClient& client;
    bool done = false;
    ~Attempt() {
      client.unlisten();
      if (!done) client.drop();
    }
  };
  for (;;) {
    Result<> connected;
    {
      Attempt attempt{client()};
      connected = co_await client().connect();
      attempt.done = static_cast<bool>(connected);
    }
    if (connected || client().ended()) {
      dialled_ = connected;
      co_return changed_.notify_all();
    }
    co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + kRetryPause);
  }
}

/// An outage that is no migration's is none of the clients' business.
io::Task<> Stay::keep_bridge() {
  auto wanted = [this] { return here_; };
  while (!client().ended()) {
    co_await client().lost();
    if (client().ended()) break;
    for (const auto& [id, container] : containers_) container->note_outage();
    co_await changed_.wait(wanted);
    const auto back = co_await take_bridge(true);
    if (back) {
      renew();
    } else if (here_) {
      log::warn("the guest does not come back", {{"error", back.error().message()}});
      co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + kRetryPause);
    }
  }
  log::error("the bridge is over", {{"why", client().why()}});
  changed_.notify_all();
}

void Stay::renew() {
  for (const auto& [id, container] : containers_) container->process->renew(client());
  offer_streams();
}

void Stay::offer_streams() {
  for (const auto& [id, container] : containers_) container->offer_streams();
}

io::Task<Result<>> Stay::take_over(int64_t next_id) {
  client().continue_from(next_id);
  offer_streams();
  auto asked = co_await probe_all();
  if (!asked) client().drop();
  co_return asked;
}

/// An exit may have been told while nobody was there, so each process is asked about: a returning host still has its
/// wait, another one expects the answer to that of its predecessor.
io::Task<Result<>> Stay::probe_all() {
  std::vector<std::pair<std::string, std::shared_ptr<host::Call>>> probes;
  for (const auto& [id, container] : containers_) {
    if (!container->exited()) probes.emplace_back(id, container->process->probe(client()));
  }
  for (const auto& [id, probe] : probes) {
    const auto answer = co_await client().answer_here(probe);
    if (!answer) co_return answer.error().within("container " + id);
    const auto said = host::outcome(*answer);
    if (!said && said.error().code() != Errc::timed_out) co_return said.error().within("container " + id);
  }
  co_return Result<>();
}

io::Task<> Stay::break_off() {
  client().cut(host::Unread::take);
  co_await client().lost();
  std::vector<StreamEnd*> ends;
  for (const auto& [id, container] : containers_) {
    container->process->each_stream([&ends](StreamEnd& end) { ends.push_back(&end); });
  }
  for (StreamEnd* end : ends) {
    end->note_outage();
    end->cut(host::Unread::take);
  }
  for (StreamEnd* end : ends) co_await end->away();
}

io::Task<> Stay::stop(std::function<io::Task<>(std::string container)> gone) {
  stopping_ = true;
  changed_.notify_all();
  co_await rest();
  // The bridge first: a stream that ends while it is up ends on purpose. It takes the calls in flight along.
  co_await client().stop();
  auto unused = [this] { return uses == 0; };
  co_await changed_.wait(unused);
  for (const auto& [id, container] : containers_) {
    co_await container->stop();
    if (gone) co_await gone(id);
  }
}

}  // namespace gcs::migration
