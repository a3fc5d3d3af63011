#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "tests/migration/session_state.h"
#include "tests/migration/vm.h"

namespace gcs::migration {

/// What QEMU's events say of a migration, in the phases of the service. No coroutines, no clock: README.md has the
/// table.
///
/// The blackout is what this side can know of it, by QEMU's own stamps: on the source from its STOP to its RESUME,
/// which only a roll-back has; on the destination from the moment when all of the VM was there to its RESUME. That
/// leaves out what lies between, the transfer of the last pages and of the devices.
class QemuPhases {
 public:
  using Time = std::chrono::system_clock::time_point;

  /// A transfer begins; what was before is over.
  void begin(Side side);

  /// From now on a failure is a cancellation: somebody asked for it.
  void expect_cancellation() { cancelled_ = true; }

  /// One event; `status` is that of a MIGRATION event.
  std::vector<VmEvent> take(std::string_view event, std::string_view status, Time when);

  /// The transfer is over without success; nothing where QEMU has said so itself.
  std::vector<VmEvent> failed(Time when);

  /// The VM runs by our doing; an answer, not an event: QEMU says RESUME of a VM that stood still, and only of that.
  std::vector<VmEvent> resumed(Time when);

  /// The VM should run, and does not.
  std::vector<VmEvent> recovery_failed(Time when);

 private:
  std::vector<VmEvent> migration(std::string_view status, Time when);

  std::optional<Side> side_;  // nothing: no transfer yet, or its VM runs again
  std::optional<Time> still_since_;
  bool active_ = false;  // data flows, or did
  bool over_ = false;
  bool cancelled_ = false;
};

}  // namespace gcs::migration
