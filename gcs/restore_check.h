#pragma once

#include <memory>
#include <optional>

#include "gcs/hypervisor_clock.h"

namespace gcs {

/// A clock that is further off than this has jumped and is stepped. It is the Go GCS's limit, `makestep 0.1` of its
/// chronyd; what is less may be the two clocks' drift, and a step would do more harm than good.
inline constexpr std::chrono::nanoseconds kJump = std::chrono::milliseconds(100);

/// What a restored VM needs of its kernel; a fake in tests. All but clock_was_set() block for a moment and run on a
/// helper thread: one at a time, unless one hangs for so long that it is given up (offload.h).
class RestoreKernel {
 public:
  virtual ~RestoreKernel() = default;

  /// `not_found` where the hypervisor offers no clock.
  virtual Result<ClockGap> measure_gap() = 0;
  virtual Result<> step_clock(std::chrono::nanoseconds by) = 0;
  virtual Result<> reseed(std::chrono::nanoseconds told) = 0;

  /// Whether anybody has stepped CLOCK_REALTIME since the last call, be it this program or the kernel: hv_util sets it
  /// when the host says that the VM has been restored.
  virtual bool clock_was_set() = 0;
};

std::unique_ptr<RestoreKernel> make_restore_kernel();

/// What one check found, and what it did about it.
struct RestoreReport {
  std::optional<Result<ClockGap>> gap;  ///< nothing where the clock is none of our business
  std::optional<Result<>> step;         ///< of a clock that had jumped
  std::optional<Result<>> reseed;       ///< after a jump, or another sign of a restore

  bool jumped() const;
};

/// Steps the clock if it has jumped, unless `sync_time` is off; reseeds when it has, or when `restored` is known
/// already. Blocking.
RestoreReport check_restore(RestoreKernel& kernel, bool restored, bool sync_time);

}  // namespace gcs
