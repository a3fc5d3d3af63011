#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "proto/migration.pb.h"
#include "proto/migration_options.pb.h"
#include "stdio/io/fd.h"
#include "stdio/io/task.h"

namespace gcs::migration {

/// What a VM tells of its migration, in the words of the service.
struct VmEvent {
  Phase phase = PHASE_UNSPECIFIED;
  PhaseState state = PHASE_STATE_SUCCESS;
  std::optional<std::chrono::milliseconds> blackout;  ///< how long the VM stood still; with PHASE_BLACKOUT_EXITED
  std::chrono::system_clock::time_point when;
};

/// How far a transfer is; zeros where the VM has nothing to transfer.
struct Progress {
  uint64_t bytes = 0;      ///< transferred so far
  uint64_t remaining = 0;  ///< bytes still to go, as far as is known
  double rate = 0;         ///< bytes a second
};

/// A VM as a host migrates it: QEMU's behind QMP, or one that stays where it is while two hosts hand it over.
///
///     source        running ──transfer──▶ transferred ──stop──▶ gone
///                                              └──resume──▶ running (rolled back)
///     destination   none ──create──▶ created ──transfer──▶ transferred ──resume──▶ running
///
/// cancel() during a transfer ends it with an error; resume() then has the source run on, stop() ends either VM. One
/// operation at a time, but for cancel(). Owned by a shim and outlives its sessions.
class Vm {
 public:
  virtual ~Vm() = default;

  /// Called for each event until the VM goes, also of one that is yet to be created; not from within another of its
  /// calls. Replaces the listener before; an empty one ends that.
  virtual void on_event(std::function<void(const VmEvent&)> listener) = 0;

  /// How the coming transfer is to be done; checked by the session. A VM leaves alone what it has no means for.
  virtual void set_options(const InitializeOptions& /*options*/) {}

  /// How to make the same VM elsewhere: JSON, of which only the same kind of Vm knows the meaning.
  virtual std::string document() const = 0;

  /// Destination: makes the VM that `document` describes, ready to be filled. Errors: `invalid_argument` for one that
  /// is of another kind or version, else what keeps it from starting; nothing is left of it then.
  virtual io::Task<Result<>> create(std::string document) = 0;

  /// Sends the VM through `transport`, a connected stream socket, or takes it from there. Returns when all of it is
  /// there and stands still, here and there. Its task is cancelled only as a last resort: what is left
  /// may then only be stopped.
  virtual io::Task<Result<>> transfer(io::Fd transport) = 0;

  /// Ends a transfer, which then returns an error; without one it does nothing.
  virtual io::Task<Result<>> cancel() = 0;

  /// Runs (again): the destination after a transfer, the source after one that failed or is taken back.
  virtual io::Task<Result<>> resume() = 0;

  /// Ends the VM and returns when it is gone. At any time.
  virtual io::Task<Result<>> stop() = 0;

  virtual Progress progress() const = 0;
};

}  // namespace gcs::migration
