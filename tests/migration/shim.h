#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/host/container.h"
#include "tests/migration/sandbox.h"
#include "tests/migration/stay.h"

namespace gcs::migration {

/// A host shim in small: the bridge of one VM and the containers that were started through it, which its Stay keeps
/// through every outage. What a migration does with it is Sandbox; the rest is for the shim's own clients. Stop it
/// before it goes.
class Shim final : public Sandbox {
 public:
  Shim(io::Engine& engine, io::Clock& clock, io::TransportName transport);
  ~Shim() override;

  enum class State { empty, live, frozen, imported };
  State state() const { return state_; }

  /// Who attends the streams of containers that come with a VM, each as it is imported; an error fails the import.
  /// Without one a VM cannot be gone on with here.
  using Attendant = std::function<Result<host::KeptProcess::Users>(const ContainerRecord& container)>;
  void attend_with(Attendant attendant) { attendant_ = std::move(attendant); }

  /// Told whether input may be given to the containers here: not while the VM is on its way, or somebody else's.
  void on_present(std::function<void(bool present)> call) { on_present_ = std::move(call); }

  /// A VM was started here: takes its bridge.
  io::Task<Result<>> boot();

  /// A container and its init process, whose streams `users` get. Gives its pid.
  io::Task<Result<uint32_t>> start(host::ContainerSpec spec, host::Streams streams, host::KeptProcess::Users users);

  /// Waits for the exit of the init process, here; `wait` goes on through outages. `wrong_state` once the VM has left.
  io::Task<Result<uint32_t>> exited(std::string container);

  io::Task<Result<>> signal(std::string container, int number);

  /// After its exit: layers, state and streams go.
  io::Task<Result<>> remove(std::string container);

  /// Told when the streams of a container are closed, before its process goes: their users are not needed any more.
  void on_gone(std::function<io::Task<>(std::string container)> call) { on_gone_ = std::move(call); }

  /// Null for a container that is not here, or not claimed.
  host::KeptProcess* process(const std::string& container);
  std::vector<std::string> containers() const;

  /// What a VM that stops does to its host: the bridge and every stream break, once what has come is read. For one that
  /// only pretends to stop.
  io::Task<> break_off();

  /// The bridge that it has; null without a VM.
  host::LocalHost* bridge();

  io::Task<> stop();

  Result<save::Payload> save(const std::string& vm_document) override;
  io::Task<Result<>> import(std::string sandbox_id, save::Payload payload) override;
  std::string vm_document() const override;
  bool patched() const override;
  void set_migrating(bool migrating) override;
  io::Task<Result<>> resume() override;
  io::Task<> leave() override;

 private:
  Result<> require_live() const;
  KeptContainer* find(const std::string& id);
  io::Task<Result<std::unique_ptr<host::Process>>> create_and_start(Stay& stay, host::ContainerSpec spec,
                                                                    host::Streams streams);
  void claim(const ContainerRecord& record, host::KeptProcess::Users users);
  void note_presence();
  io::Task<Result<>> take_back(Stay& stay, bool returned);

  io::Engine& engine_;
  io::Clock& clock_;
  io::TransportName transport_;
  State state_ = State::empty;
  bool migrating_ = false;
  uint64_t stays_ = 0;    // counts them
  SandboxRecord record_;  // what was imported
  Attendant attendant_;
  std::function<void(bool)> on_present_;
  std::function<io::Task<>(std::string)> on_gone_;
  io::Condition changed_;
  std::unique_ptr<Stay> stay_;  // null while empty
};

}  // namespace gcs::migration
