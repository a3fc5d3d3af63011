#pragma once

#include <deque>
#include <memory>
#include <optional>

#include "tests/migration/qemu_config.h"
#include "tests/migration/qemu_phases.h"
#include "tests/migration/qemu_process.h"
#include "tests/migration/qmp.h"
#include "tests/migration/vm.h"

namespace gcs::migration {

/// A VM's properties behind one query.
struct VmProperties {
  enum class State { none, paused, running, migrating };
  State state = State::none;
  uint64_t memory = 0;  ///< bytes
  std::string status;   ///< QEMU's own word
};

/// A VM of QEMU's, and with it its process and monitor.
///
///     none ──start, load──▶ running ──transfer──▶ moving ──all of it is there──▶ moved ──resume──▶ running
///     none ──create──▶ waiting ──transfer──▶ moving                                ▲
///                                              └──failed, cancelled──▶ failed ─────┘ (resume: a source only)
///     any ──stop──▶ none
///
/// A destination that was resumed is a source for the next move. A source that fails runs on by itself, at once;
/// resume() then makes sure of it. QEMU ends a destination that fails, and so does cancel(): what is left is to be
/// stopped.
///
/// Both sides have the return path, so a source's transfer succeeds only after the destination has said that it has
/// loaded all of it: without it QEMU says "completed" of VMs that no destination has taken.
///
/// The monitor is a socket pair, so no other process can reach it and no file is left. stop() before it goes; a task
/// that was cancelled inside a call leaves a VM that can only be stopped. Loop thread only.
class QemuVm final : public Vm {
 public:
  /// What a QEMU that cannot start takes to say why, after its monitor is gone; and a destination, after its failure.
  static constexpr std::chrono::seconds kEndLimit{10};

  /// How often a transfer's progress is asked for.
  static constexpr std::chrono::milliseconds kProgressPeriod{250};

  QemuVm(io::Engine& engine, io::Clock& clock, QemuPlace place);
  ~QemuVm() override;
  QemuVm(const QemuVm&) = delete;
  QemuVm& operator=(const QemuVm&) = delete;

  /// Boots a VM. Errors: QEMU's own last line, where it cannot start; nothing is left of it then.
  io::Task<Result<>> start(QemuConfig config);

  io::Task<Result<VmProperties>> properties();

  /// -1 without a process.
  pid_t pid() const { return process_ ? process_->pid() : -1; }

  /// A source's limit from now on, in bytes a second; also in the middle of a transfer.
  io::Task<Result<>> limit_bandwidth(uint64_t bytes_per_second);

  void on_event(std::function<void(const VmEvent&)> listener) override { listener_ = std::move(listener); }
  std::string document() const override { return to_document(config_); }

  /// The VM of `document`, with the next cid. A shared memory file must be there, for the source runs on it.
  io::Task<Result<>> create(std::string document) override;
  io::Task<Result<>> transfer(io::Fd transport) override;
  io::Task<Result<>> cancel() override;
  io::Task<Result<>> resume() override;
  io::Task<Result<>> stop() override;
  Progress progress() const override { return progress_; }

 private:
  enum class State { none, starting, running, waiting, moving, moved, failed };
  class Operation;

  io::Task<Result<>> launch(QemuConfig config, bool incoming);
  io::Task<Result<>> prepare();
  io::Task<Result<>> set_capabilities(std::vector<std::pair<std::string, bool>> wanted);
  io::Task<Result<>> explained(Error seen);
  io::Task<Result<>> move(io::Fd transport);
  io::Task<Result<>> follow();
  io::Task<Result<>> source_outcome();
  io::Task<Result<>> destination_outcome();
  io::Task<Result<>> settled();
  io::Task<> ask_progress();
  io::Task<> end_process();
  io::Task<> clear();
  io::Task<Result<std::string>> ask_status();

  void take_event(const QmpEvent& event);
  void tell(std::vector<VmEvent> events);
  io::Task<> deliver();
  io::Task<> delivered();

  io::Engine& engine_;
  io::Clock& clock_;
  const QemuPlace place_;
  std::function<void(const VmEvent&)> listener_;

  QemuConfig config_;
  State state_ = State::none;
  Side side_ = Side::source;
  int operations_ = 0;  // calls that use the process and the monitor
  bool stopping_ = false;
  bool cancelled_ = false;  // somebody asked for it during this transfer
  bool begun_ = false;      // QEMU knows of this transfer
  std::string migration_;   // its last status
  Progress progress_;
  QemuPhases phases_;
  std::deque<VmEvent> events_;
  bool delivering_ = false;
  io::Condition changed_;
  std::unique_ptr<QemuProcess> process_;
  std::unique_ptr<Qmp> qmp_;
  io::TaskGroup group_;
};

/// What QEMU's word for a VM's state means here. A VM that ended or crashed, but whose QEMU is there, is paused.
VmProperties::State vm_state(std::string_view status);

/// QEMU's answer to query-migrate.
Progress progress_of(const json& migration);

}  // namespace gcs::migration
