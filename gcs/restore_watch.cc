#include "gcs/restore_watch.h"

#include <utility>

#include "stdio/io/log.h"

namespace gcs {
namespace {

// A Hyper-V host sends the time every 5 s: 12 s see two samples.
constexpr int kChecks = 3;
constexpr std::chrono::seconds kBetween{6};

int64_t microseconds(std::chrono::nanoseconds time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

}  // namespace

void RestoreWatch::negotiated() {
  if (std::exchange(met_host_, true)) {
    ask();
  } else {
    kernel_->clock_was_set();
  }
}

void RestoreWatch::generation_changed() {
  new_generation_ = true;
  ask();
}

void RestoreWatch::ask() {
  asked_ = true;
  wake_.notify_all();
}

io::Task<> RestoreWatch::run() {
  auto asked = [this] { return asked_; };
  for (;;) {
    co_await wake_.wait(asked);
    asked_ = false;
    for (int checks = 1; !co_await check() && checks < kChecks; ++checks) {
      if (co_await wake_.wait_until(clock_, clock_.now() + kBetween, asked)) break;  // the series begins anew
    }
  }
}

/// One check; true when it found a jump, and nothing is left to do.
io::Task<bool> RestoreWatch::check() {
  if (kernel_->clock_was_set()) {
    log::info("somebody has set the clock", {});
    restored_ = true;
  }
  if (std::exchange(new_generation_, false)) {
    log::info("the VM generation has changed", {});
    restored_ = true;
  }
  const bool restored = std::exchange(restored_, false);
  if (!restored && !sync_time_) co_return false;  // nothing to do for a helper
  std::function<Result<RestoreReport>()> job = [kernel = kernel_, restored, sync_time = sync_time_] {
    return Result<RestoreReport>(check_restore(*kernel, restored, sync_time));
  };
  const auto report = co_await offload_.call<RestoreReport>(std::move(job));
  if (!report) {
    log::warn("no check for a restore", {{"error", report.error().message()}});
    restored_ = restored_ || restored;
    co_return false;
  }
  restored_ = restored_ || (report->reseed && !*report->reseed);
  if (report->step) kernel_->clock_was_set();  // that was us
  tell(*report);
  co_return report->jumped() && !restored_;
}

void RestoreWatch::tell(const RestoreReport& report) {
  if (report.gap && !*report.gap) {
    const Error& error = report.gap->error();
    if (error.code() != Errc::not_found) {
      log::warn("the hypervisor's clock cannot be read", {{"error", error.message()}});
    } else if (!std::exchange(told_no_device_, true)) {
      log::info("the hypervisor offers no clock: ours stays as it is after an outage", {});
    }
  } else if (report.gap) {
    const ClockGap& gap = **report.gap;
    const log::Field device("device", gap.device);
    const log::Field ahead("ahead_us", microseconds(gap.ahead));
    if (!report.step) {
      log::debug("the clock agrees with the hypervisor's", {device, ahead});
    } else if (*report.step) {
      log::info("the clock had jumped and was stepped", {device, ahead});
    } else {
      log::error("the clock has jumped and cannot be stepped",
                 {device, ahead, {"error", report.step->error().message()}});
    }
  }
  if (!report.reseed) return;
  if (*report.reseed) {
    log::info("random numbers reseeded", {});
  } else {
    log::error("random numbers could not be reseeded", {{"error", report.reseed->error().message()}});
  }
}

}  // namespace gcs
