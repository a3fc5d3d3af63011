#include "gcs/hypervisor_clock.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/timex.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <memory>
#include <vector>

#include "stdio/io/fd.h"

namespace gcs {
namespace {

using std::chrono::nanoseconds;
using std::chrono::seconds;

// The gap is known to half of what a reading took.
constexpr nanoseconds kSlowest = std::chrono::milliseconds(20);

// 2020 and 2106: no time outside of these is one to believe.
constexpr seconds kEarliest{1'577'836'800};
constexpr seconds kLatest{1ll << 32};

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

/// The kernel's FD_TO_CLOCKID, which no header has (clock_getres(2), "Dynamic clocks").
clockid_t clock_of(int fd) {
  return static_cast<clockid_t>((~static_cast<unsigned>(fd) << 3) | 3);
}

Result<nanoseconds> read_clock(clockid_t clock) {
  timespec now{};
  if (::clock_gettime(clock, &now) != 0) return sys_error("read the clock");
  return nanoseconds(seconds(now.tv_sec)) + nanoseconds(now.tv_nsec);
}

Result<ClockReading> read_both(clockid_t device) {
  const auto before = read_clock(CLOCK_REALTIME);
  const auto told = read_clock(device);
  const auto after = read_clock(CLOCK_REALTIME);
  if (!before) return before.error();
  if (!told) return told.error();
  if (!after) return after.error();
  return ClockReading{*before, *told, *after};
}

nanoseconds duration(const ClockReading& reading) {
  return reading.after - reading.before;
}

}  // namespace

Result<std::string> find_hypervisor_clock(const std::string& sysfs) {
  const std::unique_ptr<DIR, CloseDir> dir(::opendir(sysfs.c_str()));
  std::vector<std::string> found;
  while (const dirent* entry = dir ? ::readdir(dir.get()) : nullptr) {
    const std::string name = entry->d_name;
    if (!name.starts_with("ptp")) continue;
    const auto says = io::read_file(sysfs + "/" + name + "/clock_name", 256);
    if (says && (*says == "hyperv\n" || *says == "KVM virtual PTP\n")) found.push_back(name);
  }
  if (found.empty()) return Error(Errc::not_found, "no PTP device of the hypervisor");
  return *std::min_element(found.begin(), found.end());
}

Result<ClockGap> measure_gap(const std::string& device, const std::string& dev) {
  const auto fd = io::open_file(dev + "/" + device, O_RDONLY);
  if (!fd) return Error(Errc::internal, fd.error().message(), fd.error().sys_errno());  // it is there by sysfs
  std::array<ClockReading, 5> readings;
  for (ClockReading& reading : readings) {
    const auto both = read_both(clock_of(fd->get()));
    if (!both) return both.error().within(device);
    reading = *both;
  }
  auto gap = gap_of(readings);
  if (!gap) return gap.error().within(device);
  gap->device = device;
  return gap;
}

Result<ClockGap> gap_of(std::span<const ClockReading> readings) {
  const ClockReading* best = nullptr;
  for (const ClockReading& reading : readings) {
    // Our clock may be set meanwhile; that it goes back shows here, and a leap ahead makes the reading a slow one.
    if (duration(reading) < nanoseconds(0) || duration(reading) > kSlowest) continue;
    if (best == nullptr || duration(reading) < duration(*best)) best = &reading;
  }
  if (best == nullptr) return Error(Errc::exhausted, "reading it takes too long to compare");
  if (best->device < kEarliest || best->device > kLatest) {
    return Error(Errc::internal, "it tells a time that cannot be");
  }
  ClockGap gap;
  gap.ahead = best->device - (best->before + duration(*best) / 2);
  gap.time = best->device;
  return gap;
}

Result<> step_clock(nanoseconds by) {
  auto whole = std::chrono::floor<seconds>(by);  // the rest is to be positive
  timex change{};
  change.modes = ADJ_SETOFFSET | ADJ_NANO;
  change.time.tv_sec = whole.count();
  change.time.tv_usec = (by - whole).count();
  if (::adjtimex(&change) < 0) return sys_error("step the clock");
  return {};
}

}  // namespace gcs
