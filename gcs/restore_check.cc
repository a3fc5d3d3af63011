#include "gcs/restore_check.h"

#include <sys/timerfd.h>
#include <unistd.h>

#include "gcs/reseed.h"
#include "stdio/io/fd.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

/// A timer that never expires, and whose reads fail once after each step of the clock (timerfd_create(2),
/// TFD_TIMER_CANCEL_ON_SET).
Result<io::Fd> make_set_timer() {
  io::Fd fd(::timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK));
  if (!fd) return sys_error("make a timer");
  itimerspec never{};
  never.it_value.tv_sec = 1ll << 33;  // the year 2242
  if (::timerfd_settime(fd.get(), TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, nullptr) != 0) {
    return sys_error("set a timer");
  }
  return fd;
}

class LinuxRestoreKernel final : public RestoreKernel {
 public:
  LinuxRestoreKernel() {
    auto timer = make_set_timer();
    if (timer) {
      set_timer_ = std::move(*timer);
    } else {
      log::warn("steps of the clock go unseen", {{"error", timer.error().message()}});
    }
  }

  Result<ClockGap> measure_gap() override {
    const auto device = find_hypervisor_clock();
    if (!device) return device.error();
    return gcs::measure_gap(*device);
  }

  Result<> step_clock(std::chrono::nanoseconds by) override { return gcs::step_clock(by); }
  Result<> reseed(std::chrono::nanoseconds told) override { return gcs::reseed(told); }

  bool clock_was_set() override {
    uint64_t expired = 0;
    return set_timer_ && ::read(set_timer_.get(), &expired, sizeof expired) < 0 && errno == ECANCELED;
  }

 private:
  io::Fd set_timer_;
};

}  // namespace

std::unique_ptr<RestoreKernel> make_restore_kernel() {
  return std::make_unique<LinuxRestoreKernel>();
}

bool RestoreReport::jumped() const {
  return gap && *gap && std::chrono::abs((*gap)->ahead) > kJump;
}

RestoreReport check_restore(RestoreKernel& kernel, bool restored, bool sync_time) {
  RestoreReport report;
  std::chrono::nanoseconds told{};
  if (sync_time) report.gap.emplace(kernel.measure_gap());
  if (report.gap && *report.gap) told = (*report.gap)->time;
  if (report.jumped()) report.step.emplace(kernel.step_clock((*report.gap)->ahead));
  if (report.jumped() || restored) report.reseed.emplace(kernel.reseed(told));
  return report;
}

}  // namespace gcs
