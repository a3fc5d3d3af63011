#pragma once

#include "gcs/restore_check.h"
#include "stdio/io/condition.h"
#include "stdio/io/offload.h"

namespace gcs {

/// Brings a VM that was paused, migrated or restored up to date: steps its clock, reseeds its kernel, and says so in
/// the log. Owned by the Service; outlives every session.
///
/// From inside a pause is nothing: all clocks stand still with the VM and go on where they stood (but for a kvm-clock
/// that the VMM moves on, KVM_SET_CLOCK with KVM_CLOCK_REALTIME: then nothing is to be done). What shows is a lost
/// session, or a changed VM generation. Either begins a series of checks: one at once and, until one finds a jump and
/// has reseeded, two more, because a Hyper-V clock learns the new time by the host's next sample only. A check is a job
/// on a helper thread; it reads a clock that is there, and nothing ever waits for it.
class RestoreWatch {
 public:
  /// `sync_time` off: the clock is neither read nor set, as -disable-time-sync wants it.
  RestoreWatch(std::shared_ptr<RestoreKernel> kernel, io::Offload& offload, io::Clock& clock, io::Executor executor,
               bool sync_time)
      : kernel_(std::move(kernel)),
        offload_(offload),
        clock_(clock),
        sync_time_(sync_time),
        wake_(executor, "outage") {}

  /// A session has been negotiated. The first one is no return: what happened to the clock before is a boot's matter.
  void negotiated();

  /// The VM has begun to live a second time (vm_generation.h).
  void generation_changed();

  /// Runs until it is cancelled.
  io::Task<> run();

 private:
  io::Task<bool> check();
  void tell(const RestoreReport& report);
  void ask();

  std::shared_ptr<RestoreKernel> kernel_;  // a check that hangs, and was given up, has it too
  io::Offload& offload_;
  io::Clock& clock_;
  bool sync_time_;
  bool met_host_ = false;
  bool asked_ = false;
  bool new_generation_ = false;  // told of, and not yet looked at
  bool restored_ = false;        // known otherwise than by the hypervisor's clock, and not yet reseeded for
  bool told_no_device_ = false;
  io::Condition wake_;
};

}  // namespace gcs
