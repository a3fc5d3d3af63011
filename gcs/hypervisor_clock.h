#pragma once

#include <chrono>
#include <span>
#include <string>

#include "stdio/io/result.h"

namespace gcs {

/// How far the hypervisor's clock is ahead of CLOCK_REALTIME.
struct ClockGap {
  std::string device;  ///< "ptp0"
  std::chrono::nanoseconds ahead{};
  std::chrono::nanoseconds time{};  ///< the hypervisor's, since 1970
};

/// One look at both clocks, all since 1970.
struct ClockReading {
  std::chrono::nanoseconds before{};  ///< CLOCK_REALTIME
  std::chrono::nanoseconds device{};
  std::chrono::nanoseconds after{};  ///< CLOCK_REALTIME
};

/// The PTP device that tells the hypervisor's time, as a name in `sysfs`: `hyperv` (drivers/hv/hv_util.c) or
/// `KVM virtual PTP` (drivers/ptp/ptp_kvm_common.c) by its `clock_name`. Network cards have PTP devices too, and their
/// time may be any. `not_found` where there is none.
Result<std::string> find_hypervisor_clock(const std::string& sysfs = "/sys/class/ptp");

/// Looks at the device and at CLOCK_REALTIME. Blocking, though not for long.
///
/// By clock_gettime(2) on the device's descriptor, which every driver has, with errors as errnos
/// (PTP_SYS_OFFSET_PRECISE is for those with a common counter, so not for hyperv). A hyperv clock goes on by the
/// partition's reference counter from the last sample that the host sent, one every 5 s, and fails with ESTALE 600 s
/// after it: right after a resume it may still tell the time of before.
Result<ClockGap> measure_gap(const std::string& device, const std::string& dev = "/dev");

/// The gap by the reading that took least time; an error when none was quick enough to tell, or the device's time
/// cannot be: a hyperv clock without any sample yet tells of the year 2185.
Result<ClockGap> gap_of(std::span<const ClockReading> readings);

/// Sets CLOCK_REALTIME ahead, or back. By ADJ_SETOFFSET (adjtimex(2)), for clock_settime(2) would lose the time between
/// reckoning and setting. Needs CAP_SYS_TIME.
Result<> step_clock(std::chrono::nanoseconds by);

}  // namespace gcs
