#include "tests/migration/qemu_phases.h"

#include <algorithm>

namespace gcs::migration {
namespace {

VmEvent success(Phase phase, QemuPhases::Time when) {
  return {phase, PHASE_STATE_SUCCESS, std::nullopt, when};
}

}  // namespace

void QemuPhases::begin(Side side) {
  *this = QemuPhases();
  side_ = side;
}

std::vector<VmEvent> QemuPhases::take(std::string_view event, std::string_view status, Time when) {
  if (!side_) return {};
  if (event == "MIGRATION") return migration(status, when);
  if (event == "STOP" && *side_ == Side::source && active_ && !over_ && !still_since_) {
    still_since_ = when;
    return {success(PHASE_BLACKOUT_STARTED, when)};
  }
  if (event == "RESUME" && still_since_) {
    // The wall clock may have been set back meanwhile.
    const auto still = std::chrono::duration_cast<std::chrono::milliseconds>(when - *still_since_);
    VmEvent exited = success(PHASE_BLACKOUT_EXITED, when);
    exited.blackout = std::max(still, std::chrono::milliseconds(0));
    still_since_.reset();
    return {exited};
  }
  return {};
}

std::vector<VmEvent> QemuPhases::migration(std::string_view status, Time when) {
  if (over_) return {};
  if (status == "active" && !active_) {
    active_ = true;
    return {success(PHASE_SETUP_DONE, when), success(PHASE_TRANSFER_IN_PROGRESS, when)};
  }
  if (status == "failed") return failed(when);
  if (status == "cancelled") {
    cancelled_ = true;
    return failed(when);
  }
  if (status != "completed") return {};
  over_ = true;
  if (*side_ == Side::source) return {success(PHASE_OFFLINE_DONE, when), success(PHASE_DONE, when)};
  still_since_ = when;
  return {success(PHASE_BLACKOUT_STARTED, when), success(PHASE_OFFLINE_DONE, when)};
}

std::vector<VmEvent> QemuPhases::failed(Time when) {
  if (!side_ || over_) return {};
  over_ = true;
  const PhaseState failure = *side_ == Side::source ? PHASE_STATE_SOURCE_FAILED : PHASE_STATE_DESTINATION_FAILED;
  return {{PHASE_FAILED, cancelled_ ? PHASE_STATE_CANCELLED : failure, std::nullopt, when}};
}

std::vector<VmEvent> QemuPhases::resumed(Time when) {
  if (!side_) return {};
  const Phase phase = *side_ == Side::source ? PHASE_RECOVERY_DONE : PHASE_DONE;
  *this = QemuPhases();
  return {success(phase, when)};
}

std::vector<VmEvent> QemuPhases::recovery_failed(Time when) {
  if (!side_) return {};
  return {{PHASE_FAILED, PHASE_STATE_RECOVERY_FAILED, std::nullopt, when}};
}

}  // namespace gcs::migration
