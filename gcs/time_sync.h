#pragma once

#include <string>

#include "runtime/reaper.h"

namespace gcs {

/// Where the machine's parts are; others in tests.
struct TimeSyncSettings {
  std::string sysfs = "/sys/class/ptp";
  std::string dev = "/dev";
  std::string config = "/tmp/chronyd.conf";
  std::string program = "chronyd";  ///< looked up in the directories of an image's programs
};

/// Keeps chronyd running on the hypervisor's clock (hypervisor_clock.h), as the Go GCS does, until it is cancelled:
/// chronyd is then killed. One that ends is started again, after half a second first and twice as long each time, up to
/// ten minutes; one that ran for longer than that begins anew. Where the hypervisor has no clock, or the image no
/// chronyd, that is one line in the log, and no end of anything: the Go GCS ends.
///
/// It goes together with RestoreWatch: that one steps a clock that a pause has left behind as soon as the host is back,
/// by one look at the same device, while chronyd needs some of its samples for it, 8 s apart. Chronyd keeps the clock
/// from drifting between pauses, and a step of it shows to RestoreWatch as what it is.
io::Task<> keep_time(runtime::Reaper& reaper, io::Executor executor, io::Clock& clock, TimeSyncSettings settings = {});

}  // namespace gcs
