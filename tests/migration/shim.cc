#include "tests/migration/shim.h"

#include <chrono>
#include <nlohmann/json.hpp>
#include <set>

#include "stdio/io/deadline.h"
#include "stdio/io/log.h"
#include "tests/host/call.h"

namespace gcs::migration {
namespace {

using host::KeptProcess;
using host::StreamEnd;

constexpr std::chrono::milliseconds kRetryPause{10};
constexpr std::chrono::minutes kBridgeLimit{2};  // from the VM's resume to the guest's dial, as upstream

Error not_here(const std::string& container) {
  return Error(Errc::container_not_found, "there is no container \"" + container + "\"");
}

}  // namespace

/// One stream between its user and the host's end of it.
class Shim::Port final : public host::StreamUser {
 public:
  Port(Shim& shim, host::StreamUser* user) : shim_(shim), user_(user) {}

  /// Null for a stream that nobody wants.
  host::StreamUser* user() { return user_ != nullptr ? this : nullptr; }
  void set_end(StreamEnd* end) { end_ = end; }

  void took(std::string_view bytes) override { user_->took(bytes); }
  void parted(host::Parting how, size_t unread) override {
    user_->parted(how, unread);
    shim_.reopen_soon(end_);
  }

 private:
  Shim& shim_;
  host::StreamUser* user_;
  StreamEnd* end_ = nullptr;
};

struct Shim::Container {
  Container(Shim& shim, ContainerRecord its_record, KeptProcess::Users users)
      : record(std::move(its_record)), in(shim, users.in), out(shim, users.out), err(shim, users.err) {}

  KeptProcess::Users users() { return {in.user(), out.user(), err.user()}; }

  ContainerRecord record;
  host::ContainerSpec spec;  // what its clean-up needs
  Port in;
  Port out;
  Port err;
  std::unique_ptr<KeptProcess> process;
  bool adopted = false;  // this host has asked for its exit
};

/// One stay of the VM: from its start or its arrival until it leaves.
struct Shim::Life {
  Life(io::Engine& engine, io::Clock& clock, const io::TransportName& transport)
      : host(engine, clock, transport), group(engine.executor()) {}

  host::LocalHost host;
  std::map<std::string, std::unique_ptr<Container>> containers;
  std::set<std::string> starting;
  int operations = 0;  // that refer to all this
  io::TaskGroup group;
};

namespace {

/// Keeps a life from going while it is used.
template <class Life>
class Use {
 public:
  Use(Life& life, io::Condition& changed) : life_(life), changed_(changed) { ++life_.operations; }
  ~Use() {
    --life_.operations;
    changed_.notify_all();
  }
  Use(const Use&) = delete;
  Use& operator=(const Use&) = delete;

 private:
  Life& life_;
  io::Condition& changed_;
};

/// An id is taken while its container is being started, however that ends.
class Starting {
 public:
  Starting(std::set<std::string>& ids, std::string id) : ids_(ids), id_(std::move(id)) {}
  ~Starting() { ids_.erase(id_); }
  Starting(const Starting&) = delete;
  Starting& operator=(const Starting&) = delete;

 private:
  std::set<std::string>& ids_;
  const std::string id_;
};

}  // namespace

Shim::Shim(io::Engine& engine, io::Clock& clock, io::TransportName transport)
    : engine_(engine),
      clock_(clock),
      transport_(std::move(transport)),
      changed_(engine.executor(), "shim"),
      group_(engine.executor()) {}

Shim::~Shim() = default;

io::Task<> Shim::stop() {
  co_await leave();
  group_.cancel();
  co_await group_.join();
}

host::LocalHost* Shim::bridge() {
  return life_ ? &life_->host : nullptr;
}

Shim::Container* Shim::find(const std::string& id) {
  if (!life_) return nullptr;
  const auto found = life_->containers.find(id);
  return found == life_->containers.end() ? nullptr : found->second.get();
}

KeptProcess* Shim::process(const std::string& container) {
  const Container* found = find(container);
  return found != nullptr ? found->process.get() : nullptr;
}

std::vector<std::string> Shim::containers() const {
  std::vector<std::string> ids;
  if (!life_) return ids;
  for (const auto& [id, container] : life_->containers) ids.push_back(id);
  return ids;
}

io::Task<> Shim::break_off() {
  if (!life_) co_return;
  Life& life = *life_;
  const Use<Life> use(life, changed_);
  life.host.client().cut(host::Unread::take);
  co_await life.host.client().lost();
  std::vector<StreamEnd*> ends;
  for (const auto& [id, container] : life.containers) {
    container->process->each_stream([&ends](StreamEnd& end) { ends.push_back(&end); });
  }
  for (StreamEnd* end : ends) {
    end->note_outage();
    end->cut(host::Unread::take);
  }
  for (StreamEnd* end : ends) co_await end->away();
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
  if (life_) co_return Error(Errc::wrong_state, "there is a VM already");
  life_ = std::make_unique<Life>(engine_, clock_, transport_);
  Life& life = *life_;
  life.host.client().keep_calls(true);
  const uint64_t stay = stay_;
  Result<> connected;
  {
    const Use<Life> use(life, changed_);
    connected = co_await take_bridge(life);
  }
  if (stay_ != stay) co_return Error(Errc::wrong_state, "the VM has left");
  if (!connected) {
    co_await leave();
    co_return connected.error();
  }
  state_ = State::live;
  life.group.spawn("bridge keeper", keep_bridge(life));
  tell_present(true);
  co_return Result<>();
}

io::Task<Result<>> Shim::take_bridge(Life& life) {
  host::BridgeClient& client = life.host.client();
  const auto deadline = clock_.now() + kBridgeLimit;
  const std::string what = "the guest's dial";
  for (;;) {
    auto connecting = client.connect();
    auto connected = co_await io::with_deadline(engine_.executor(), clock_, deadline, what, std::move(connecting));
    client.unlisten();
    if (connected) co_return connected;
    client.drop();
    // A connection that breaks at once is none, and the guest dials again.
    if (connected.error().code() == Errc::timed_out || client.ended() || clock_.now() >= deadline) co_return connected;
    co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + kRetryPause);
  }
}

/// An outage that is no migration's is none of the clients' business.
io::Task<> Shim::keep_bridge(Life& life) {
  host::BridgeClient& client = life.host.client();
  auto wanted = [this] { return state_ == State::live || (state_ == State::frozen && !migrating_); };
  while (!client.ended()) {
    co_await client.lost();
    for (const auto& [id, container] : life.containers) {
      container->process->each_stream([](StreamEnd& stream) { stream.note_outage(); });
    }
    co_await changed_.wait(wanted);
    if (!client.connected()) {
      const auto back = co_await take_bridge(life);
      if (!back) {
        log::warn("the guest does not come back", {{"error", back.error().message()}});
        co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + kRetryPause);
        continue;
      }
      for (const auto& [id, container] : life.containers) container->process->renew(client);
    }
    if (wanted()) reopen_streams(life);
  }
  log::error("the bridge is over", {{"why", client.why()}});
  changed_.notify_all();
}

void Shim::reopen_streams(Life& life) {
  for (const auto& [id, container] : life.containers) {
    if (container->process->exit_known()) continue;
    container->process->each_stream([](StreamEnd& stream) {
      const auto opened = stream.reopen();
      if (!opened) log::warn("a stream cannot be offered again", {{"error", opened.error().message()}});
    });
  }
}

/// The guest dials again what it has not ended. While the VM is on its way, the port is the other host's to open.
void Shim::reopen_soon(StreamEnd* stream) {
  const bool here = state_ == State::live || (state_ == State::frozen && !migrating_);
  if (!here || stream == nullptr) return;
  const auto opened = stream->reopen();
  if (!opened) log::warn("a stream cannot be offered again", {{"error", opened.error().message()}});
}

void Shim::keep_process(Container& container, std::unique_ptr<KeptProcess> process) {
  container.process = std::move(process);
  container.in.set_end(container.process->in.get());
  container.out.set_end(container.process->out.get());
  container.err.set_end(container.process->err.get());
}

/// Whatever fails is undone.
io::Task<Result<std::unique_ptr<host::Process>>> Shim::create_and_start(Life& life, host::ContainerSpec spec,
                                                                        host::Streams streams) {
  const auto combined = co_await host::combine_layers(life.host, spec);
  if (!combined) co_return combined.error();
  const auto created = co_await host::create_container(life.host, spec);
  if (!created) {
    discard(co_await host::separate_layers(life.host, spec), "the creation's error is the one to tell");
    co_return created.error();
  }
  auto started = co_await host::start_container(life.host, spec, streams);
  if (!started) {
    discard(co_await host::shut_down(life.host, spec.id, true), "the start's error is the one to tell");
    discard(co_await host::separate_layers(life.host, spec), "likewise");
    discard(co_await host::delete_container(life.host, spec.id), "likewise");
    co_return started.error();
  }
  co_return std::move(*started);
}

io::Task<Result<uint32_t>> Shim::start(host::ContainerSpec spec, host::Streams streams, KeptProcess::Users users) {
  const auto live = require_live();
  if (!live) co_return live.error();
  Life& life = *life_;
  const bool known = life.containers.contains(spec.id) || !life.starting.insert(spec.id).second;
  if (known) co_return Error(Errc::already_exists, "container \"" + spec.id + "\" is here already");
  const Use<Life> use(life, changed_);
  const Starting starting(life.starting, spec.id);
  auto started = co_await create_and_start(life, spec, streams);
  if (!started) co_return started.error();
  ContainerRecord record{spec.id, spec.layers, spec.command.terminal, {}};
  auto container = std::make_unique<Container>(*this, std::move(record), users);
  container->spec = spec;
  container->adopted = true;
  auto told = [this](uint32_t) { changed_.notify_all(); };
  auto process = std::make_unique<KeptProcess>(life.host, life.group, **started, container->users(), told);
  process->ask(life.host.client());
  keep_process(*container, std::move(process));
  const uint32_t pid = container->process->pid();
  life.containers[spec.id] = std::move(container);
  co_return pid;
}

Result<uint32_t> Shim::claim(const std::string& id, KeptProcess::Users users) {
  if (state_ != State::imported) return Error(Errc::wrong_state, "no VM is awaited here");
  for (const ContainerRecord& record : record_.containers) {
    if (record.id != id) continue;
    if (life_->containers.contains(id)) return Error(Errc::already_exists, "container \"" + id + "\" is claimed");
    auto container = std::make_unique<Container>(*this, record, users);
    container->spec.id = id;
    container->spec.layers = record.layers;
    auto told = [this](uint32_t) { changed_.notify_all(); };
    auto process =
        std::make_unique<KeptProcess>(life_->host, life_->group, record.init, container->users(), std::move(told));
    keep_process(*container, std::move(process));
    life_->containers[id] = std::move(container);
    return record.init.pid;
  }
  return not_here(id);
}

io::Task<Result<uint32_t>> Shim::exited(std::string id) {
  if (find(id) == nullptr) co_return not_here(id);
  const uint64_t stay = stay_;
  auto known = [this, stay, &id] {
    if (stay_ != stay || life_->host.client().ended()) return true;
    const Container* container = find(id);
    return container == nullptr || container->process->exit_known();
  };
  co_await changed_.wait(known);
  if (stay_ != stay) co_return Error(Errc::wrong_state, "the VM has left");
  const Container* container = find(id);
  if (container == nullptr) co_return not_here(id);
  if (!container->process->exit_known()) co_return Error(Errc::disconnected, life_->host.client().why());
  co_return *container->process->exit_code();
}

io::Task<Result<>> Shim::signal(std::string id, int number) {
  const auto live = require_live();
  if (!live) co_return live;
  const Container* container = find(id);
  if (container == nullptr) co_return not_here(id);
  Life& life = *life_;
  const Use<Life> use(life, changed_);
  host::json body = host::json::object();
  body["ContainerId"] = id;
  body["ProcessId"] = container->process->pid();
  body["Options"]["Signal"] = number;
  const auto answer = co_await host::request(life.host, host::Message::signal_process, std::move(body));
  if (!answer) co_return answer.error();
  co_return Result<>();
}

io::Task<Result<>> Shim::remove(std::string id) {
  const auto live = require_live();
  if (!live) co_return live;
  Container* container = find(id);
  if (container == nullptr) co_return not_here(id);
  if (!container->process->exit_known()) {
    co_return Error(Errc::wrong_state, "container \"" + id + "\" has not exited");
  }
  Life& life = *life_;
  const Use<Life> use(life, changed_);
  const auto separated = co_await host::separate_layers(life.host, container->spec);
  if (!separated) co_return separated;
  const auto deleted = co_await host::delete_container(life.host, id);
  // An earlier attempt may have done it, whose answer was lost.
  if (!deleted && deleted.error().code() != Errc::container_not_found) co_return deleted;
  container = find(id);
  if (container == nullptr) co_return Result<>();
  co_await close(*container);
  life.containers.erase(id);
  changed_.notify_all();
  co_return Result<>();
}

Result<save::Payload> Shim::save(const std::string& vm_document) {
  const auto live = require_live();
  if (!live) return live.error();
  if (life_->operations > 0) return Error(Errc::wrong_state, "a container is being started, signalled or removed");
  if (!life_->host.client().connected()) return Error(Errc::wrong_state, "the guest is away");
  SandboxRecord record;
  record.vm_id = record_.vm_id;
  record.vm_document = vm_document;
  record.next_id = life_->host.client().seed();
  record.next_port = life_->host.ports().peek();
  for (const auto& [id, container] : life_->containers) {
    if (container->process->exit_known()) {
      return Error(Errc::wrong_state, "container \"" + id + "\" has exited; it must be removed first");
    }
    record.containers.push_back(container->record);
    record.containers.back().init = container->process->migration_state();
  }
  state_ = State::frozen;
  return to_payload(record);
}

Result<> Shim::import(const std::string& sandbox_id, const save::Payload& payload) {
  if (life_) return Error(Errc::wrong_state, "there is a VM already");
  auto record = from_payload(payload);
  if (!record) return record.error();
  record_ = std::move(*record);
  if (!sandbox_id.empty()) record_.vm_id = sandbox_id;
  life_ = std::make_unique<Life>(engine_, clock_, transport_);
  life_->host.client().keep_calls(true);
  life_->host.ports().raise(record_.next_port);
  state_ = State::imported;
  if (!attendant_) return {};
  for (const ContainerRecord& container : record_.containers) {
    const auto claimed = claim(container.id, attendant_(container));
    discard(claimed, "it is there, and nobody else knows of it yet");
  }
  return {};
}

std::string Shim::vm_document() const {
  return record_.vm_document;
}

bool Shim::patched() const {
  if (state_ != State::imported) return false;
  for (const ContainerRecord& record : record_.containers) {
    if (!life_->containers.contains(record.id)) return false;
  }
  return true;
}

void Shim::tell_present(bool present) const {
  if (on_present_) on_present_(present);
}

void Shim::set_migrating(bool migrating) {
  migrating_ = migrating;
  tell_present(!migrating && (state_ == State::live || state_ == State::frozen));
  changed_.notify_all();
}

io::Task<Result<>> Shim::resume() {
  if (state_ == State::live) co_return Result<>();
  if (state_ == State::empty) co_return Error(Errc::wrong_state, "there is no VM here");
  if (state_ == State::imported && !patched()) {
    co_return Error(Errc::wrong_state, "not every container has been claimed");
  }
  Life& life = *life_;
  const Use<Life> use(life, changed_);
  host::BridgeClient& client = life.host.client();
  const bool returned = state_ == State::frozen;
  const bool whole = returned && client.connected();
  const uint64_t stay = stay_;
  // Before the negotiation: to a host that it knows the guest sends at once what it owes.
  for (const auto& [id, container] : life.containers) {
    if (container->adopted) continue;
    container->adopted = true;
    discard(client.watch(id), "it is a new host's");
    container->process->expect(client);
  }
  if (!client.connected()) {
    const auto connected = co_await take_bridge(life);
    if (!connected) co_return connected.error().within("the bridge");
  }
  if (!whole) {
    client.continue_from(record_.next_id);
    reopen_streams(life);
    const auto asked = co_await probe_all(life);
    if (!asked) co_return asked;
  }
  if (stay_ != stay) co_return Error(Errc::wrong_state, "the VM has left");
  state_ = State::live;
  migrating_ = false;
  if (!returned) life.group.spawn("bridge keeper", keep_bridge(life));
  changed_.notify_all();
  reopen_streams(life);
  tell_present(true);
  co_return Result<>();
}

/// An exit may have been told while nobody was there, so each process is asked about: a returning host still has its
/// wait, another one expects the answer to that of its predecessor.
io::Task<Result<>> Shim::probe_all(Life& life) {
  host::BridgeClient& client = life.host.client();
  std::vector<std::pair<std::string, std::shared_ptr<host::Call>>> probes;
  for (const auto& [id, container] : life.containers) {
    if (!container->process->exit_known()) probes.emplace_back(id, container->process->probe(client));
  }
  for (const auto& [id, probe] : probes) {
    const auto answer = co_await client.answer_here(probe);
    if (!answer) co_return answer.error().within("container " + id);
    const auto said = host::outcome(*answer);
    if (!said && said.error().code() != Errc::timed_out) co_return said.error().within("container " + id);
  }
  co_return Result<>();
}

io::Task<> Shim::close(Container& container) {
  co_await container.process->close_streams();
  if (on_gone_) co_await on_gone_(container.record.id);
}

io::Task<> Shim::leave() {
  state_ = State::empty;
  migrating_ = false;
  record_ = {};
  ++stay_;
  tell_present(false);
  const auto life = std::move(life_);
  changed_.notify_all();
  if (!life) co_return;
  // The bridge first: a stream that ends while it is up ends on purpose. It takes the calls in flight along.
  co_await life->host.client().stop();
  auto unused = [&life] { return life->operations == 0; };
  co_await changed_.wait(unused);
  for (const auto& [id, container] : life->containers) {
    co_await close(*container);
  }
  life->group.cancel();
  co_await life->group.join();
}

}  // namespace gcs::migration
