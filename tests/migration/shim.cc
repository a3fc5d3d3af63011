#include "tests/migration/shim.h"

#include <nlohmann/json.hpp>

#include "stdio/io/log.h"

namespace gcs::migration {
namespace {

using host::KeptProcess;

Error not_here(const std::string& container) {
  return Error(Errc::container_not_found, "there is no container \"" + container + "\"");
}

/// An id is taken while its container is being started or removed, however that ends.
class Busy {
 public:
  Busy(Stay& stay, std::string id) : stay_(stay), id_(std::move(id)) { stay_.busy.insert(id_); }
  ~Busy() { stay_.busy.erase(id_); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;

 private:
  Stay& stay_;
  const std::string id_;
};

}  // namespace

Shim::Shim(io::Engine& engine, io::Clock& clock, io::TransportName transport)
    : engine_(engine), clock_(clock), transport_(std::move(transport)), changed_(engine.executor(), "shim") {}

Shim::~Shim() = default;

host::LocalHost* Shim::bridge() {
  return stay_ ? &stay_->host() : nullptr;
}

KeptContainer* Shim::find(const std::string& id) {
  return stay_ ? stay_->find(id) : nullptr;
}

KeptProcess* Shim::process(const std::string& container) {
  const KeptContainer* found = find(container);
  return found != nullptr ? found->process.get() : nullptr;
}

std::vector<std::string> Shim::containers() const {
  std::vector<std::string> ids;
  if (!stay_) return ids;
  for (const auto& [id, container] : stay_->containers()) ids.push_back(id);
  return ids;
}

io::Task<> Shim::break_off() {
  if (!stay_) co_return;
  Stay& stay = *stay_;
  const Stay::Use use(stay);
  co_await stay.break_off();
}

Result<> Shim::require_live() const {
  switch (state_) {
    case State::live: return {};
    case State::empty: return Error(Errc::wrong_state, "there is no VM here");
    case State::frozen: return Error(Errc::wrong_state, "the VM is being migrated away");
    case State::imported: return Error(Errc::wrong_state, "the VM has not arrived yet");
  }
  return {};
}

io::Task<Result<>> Shim::boot() {
  if (stay_) co_return Error(Errc::wrong_state, "there is a VM already");
  stay_ = std::make_unique<Stay>(engine_, clock_, transport_, changed_);
  Stay& stay = *stay_;
  const uint64_t number = stays_;
  Result<> connected;
  {
    const Stay::Use use(stay);
    connected = co_await stay.take_bridge();
  }
  if (stays_ != number) co_return Error(Errc::wrong_state, "the VM has left");
  if (!connected) {
    co_await leave();
    co_return connected.error();
  }
  state_ = State::live;
  stay.keep();
  note_presence();
  co_return Result<>();
}

/// Whatever fails is undone.
io::Task<Result<std::unique_ptr<host::Process>>> Shim::create_and_start(Stay& stay, host::ContainerSpec spec,
                                                                        host::Streams streams) {
  const auto combined = co_await host::combine_layers(stay.host(), spec);
  if (!combined) co_return combined.error();
  const auto created = co_await host::create_container(stay.host(), spec);
  if (!created) {
    discard(co_await host::separate_layers(stay.host(), spec), "the creation's error is the one to tell");
    co_return created.error();
  }
  auto started = co_await host::start_container(stay.host(), spec, streams);
  if (!started) {
    discard(co_await host::shut_down(stay.host(), spec.id, true), "the start's error is the one to tell");
    discard(co_await host::separate_layers(stay.host(), spec), "likewise");
    const auto deleted = co_await host::delete_container(stay.host(), spec.id);
    // An exit was told before that answer: nothing of this container comes any more.
    if (deleted) discard(co_await stay.host().unwatch(spec.id), "likewise");
    co_return started.error();
  }
  co_return std::move(*started);
}

io::Task<Result<uint32_t>> Shim::start(host::ContainerSpec spec, host::Streams streams, KeptProcess::Users users) {
  const auto live = require_live();
  if (!live) co_return live.error();
  Stay& stay = *stay_;
  if (stay.find(spec.id) != nullptr || stay.busy.contains(spec.id)) {
    co_return Error(Errc::already_exists, "container \"" + spec.id + "\" is here already");
  }
  const Stay::Use use(stay);
  const Busy busy(stay, spec.id);
  auto started = co_await create_and_start(stay, spec, streams);
  if (!started) co_return started.error();
  ContainerRecord record{spec.id, spec.layers, spec.scratch(), spec.rootfs(), spec.command.terminal, {}};
  auto container = stay.make_container(std::move(record), users);
  container->adopted = true;
  auto told = [this](uint32_t) { changed_.notify_all(); };
  container->keep(
      std::make_unique<KeptProcess>(stay.host(), container->group, **started, container->users(), std::move(told)));
  container->process->ask(stay.client());
  const uint32_t pid = container->process->pid();
  stay.add(std::move(container));
  co_return pid;
}

io::Task<Result<uint32_t>> Shim::exited(std::string id) {
  if (find(id) == nullptr) co_return not_here(id);
  const uint64_t number = stays_;
  auto known = [this, number, &id] {
    if (stays_ != number || stay_->client().ended()) return true;
    const KeptContainer* container = find(id);
    return container == nullptr || container->exited();
  };
  co_await changed_.wait(known);
  if (stays_ != number) co_return Error(Errc::wrong_state, "the VM has left");
  const KeptContainer* container = find(id);
  if (container == nullptr) co_return not_here(id);
  if (!container->exited()) co_return Error(Errc::disconnected, stay_->client().why());
  co_return *container->process->exit_code();
}

io::Task<Result<>> Shim::signal(std::string id, int number) {
  const auto live = require_live();
  if (!live) co_return live;
  const KeptContainer* container = find(id);
  if (container == nullptr) co_return not_here(id);
  Stay& stay = *stay_;
  const Stay::Use use(stay);
  host::json body = host::json::object();
  body["ContainerId"] = id;
  body["ProcessId"] = container->process->pid();
  body["Options"]["Signal"] = number;
  const auto answer = co_await host::request(stay.host(), host::Message::signal_process, std::move(body));
  if (!answer) co_return answer.error();
  co_return Result<>();
}

io::Task<Result<>> Shim::remove(std::string id) {
  const auto live = require_live();
  if (!live) co_return live;
  const KeptContainer* container = find(id);
  if (container == nullptr) co_return not_here(id);
  if (!container->exited()) co_return Error(Errc::wrong_state, "container \"" + id + "\" has not exited");
  Stay& stay = *stay_;
  if (stay.busy.contains(id)) co_return Error(Errc::wrong_state, "container \"" + id + "\" is being removed");
  const Stay::Use use(stay);
  const Busy busy(stay, id);
  const auto separated = co_await host::separate_layers(stay.host(), id, container->record.rootfs);
  if (!separated) co_return separated;
  const auto deleted = co_await host::delete_container(stay.host(), id);
  // An earlier attempt may have done it, whose answer was lost.
  if (!deleted && deleted.error().code() != Errc::container_not_found) co_return deleted;
  co_await stay.find(id)->stop();
  stay.forget(id);
  if (on_gone_) co_await on_gone_(id);
  changed_.notify_all();
  co_return Result<>();
}

}  // namespace gcs::migration
