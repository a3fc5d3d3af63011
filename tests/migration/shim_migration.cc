// A shim as what a migration drives: its sandbox is saved, imported, gone on with, or left.

#include "stdio/io/log.h"
#include "tests/migration/shim.h"

namespace gcs::migration {

using host::KeptProcess;

io::Task<> Shim::stop() {
  co_await leave();
}

/// Whether the VM is here, as far as its outages and its input are concerned.
void Shim::note_presence() {
  const bool here = state_ == State::live || (state_ == State::frozen && !migrating_);
  if (stay_) stay_->set_here(here);
  if (on_present_) on_present_(here);
}

Result<save::Payload> Shim::save(const std::string& vm_document) {
  const auto live = require_live();
  if (!live) return live.error();
  if (stay_->uses > 0) return Error(Errc::wrong_state, "a container is being started, signalled or removed");
  if (!stay_->client().connected()) return Error(Errc::wrong_state, "the guest is away");
  SandboxRecord record;
  record.vm_id = record_.vm_id;
  record.vm_document = vm_document;
  record.next_id = stay_->client().seed();
  record.next_port = stay_->host().ports().peek();
  for (const auto& [id, container] : stay_->containers()) {
    if (container->exited()) {
      return Error(Errc::wrong_state, "container \"" + id + "\" has exited; it must be removed first");
    }
    record.containers.push_back(container->record);
    record.containers.back().init = container->process->migration_state();
  }
  state_ = State::frozen;
  return to_payload(record);
}

io::Task<Result<>> Shim::import(std::string sandbox_id, save::Payload payload) {
  if (stay_) co_return Error(Errc::wrong_state, "there is a VM already");
  auto record = from_payload(payload);
  if (!record) co_return record.error();
  record_ = std::move(*record);
  if (!sandbox_id.empty()) record_.vm_id = sandbox_id;
  stay_ = std::make_unique<Stay>(engine_, clock_, transport_, changed_);
  stay_->host().ports().raise(record_.next_port);
  state_ = State::imported;
  if (!attendant_) co_return Result<>();
  for (const ContainerRecord& container : record_.containers) {
    const auto users = attendant_(container);
    if (users) {
      claim(container, *users);
      continue;
    }
    const Error error = users.error().within("container \"" + container.id + "\"");
    co_await leave();
    co_return error;
  }
  co_return Result<>();
}

void Shim::claim(const ContainerRecord& record, KeptProcess::Users users) {
  auto container = stay_->make_container(record, users);
  auto told = [this](uint32_t) { changed_.notify_all(); };
  container->keep(
      std::make_unique<KeptProcess>(stay_->host(), container->group, record.init, container->users(), std::move(told)));
  stay_->add(std::move(container));
}

std::string Shim::vm_document() const {
  return record_.vm_document;
}

bool Shim::patched() const {
  if (state_ != State::imported) return false;
  for (const ContainerRecord& record : record_.containers) {
    if (stay_->find(record.id) == nullptr) return false;
  }
  return true;
}

void Shim::set_migrating(bool migrating) {
  migrating_ = migrating;
  note_presence();
}

io::Task<Result<>> Shim::resume() {
  if (state_ == State::live) co_return Result<>();
  if (state_ == State::empty) co_return Error(Errc::wrong_state, "there is no VM here");
  if (state_ == State::imported && !patched()) {
    co_return Error(Errc::wrong_state, "not every container has been claimed");
  }
  Stay& stay = *stay_;
  const Stay::Use use(stay);
  const uint64_t number = stays_;
  const bool returned = state_ == State::frozen;
  // From here on the bridge is this call's: the keeper may be about to take it back, too.
  co_await stay.rest();
  stay.set_here(true);
  const auto taken = co_await take_back(stay, returned);
  if (stays_ != number) co_return Error(Errc::wrong_state, "the VM has left");
  if (taken) {
    state_ = State::live;
    migrating_ = false;
    stay.offer_streams();
  }
  if (taken || returned) stay.keep();
  note_presence();
  co_return taken;
}

io::Task<Result<>> Shim::take_back(Stay& stay, bool returned) {
  if (returned && stay.client().connected()) co_return Result<>();
  // Before the negotiation: to a host that it knows the guest sends at once what it owes.
  for (const auto& [id, container] : stay.containers()) {
    container->note_outage();
    if (container->adopted) continue;
    container->adopted = true;
    discard(stay.client().watch(id), "it is a new host's");
    container->process->expect(stay.client());
  }
  if (!stay.client().connected()) {
    const auto connected = co_await stay.take_bridge();
    if (!connected) co_return connected.error().within("the bridge");
  }
  co_return co_await stay.take_over(record_.next_id);
}

io::Task<> Shim::leave() {
  state_ = State::empty;
  migrating_ = false;
  record_ = {};
  ++stays_;
  const auto stay = std::move(stay_);
  note_presence();
  changed_.notify_all();
  if (stay) co_await stay->stop(on_gone_);
}

}  // namespace gcs::migration
