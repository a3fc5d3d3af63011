#pragma once

#include <optional>

#include "runtime/cgroup.h"
#include "stdio/io/engine.h"
#include "stdio/io/fd.h"
#include "stdio/io/offload.h"

namespace gcs::runtime {

/// Memory events of one cgroup, told by the kernel: nothing here polls.
///
/// - Version 1: an eventfd that cgroup.event_control was given. An out-of-memory event is one of the cgroup's own
/// limit.
/// - Version 2: inotify on memory.events, in which kills further down count as well. A threshold is memory.high, the
///   only one there is; beyond it the kernel also slows the cgroup down, so it is lifted as soon as it is crossed, and
///   is to be set again by rearm() once the usage has fallen.
///
/// Making one is blocking. What else is read and written of the cgroup's files, is by helper threads: to set a
/// threshold is to reclaim memory, which takes its time.
class MemoryEvents {
 public:
  /// Processes were killed for want of memory, or were about to be. `unsupported` without a memory controller.
  static Result<MemoryEvents> oom(const Cgroups& cgroups, const std::string& path);

  /// The usage has crossed `bytes`.
  static Result<MemoryEvents> above(const Cgroups& cgroups, const std::string& path, uint64_t bytes);

  /// Waits for the next; gives how many there were since the last, 0 where no helper thread could tell in time.
  /// `not_found` once the cgroup is gone.
  io::Task<Result<uint64_t>> next(io::Engine& engine, io::Offload& offload);

  /// Whether rearm() is called for.
  bool is_spent() const { return spent_; }

  /// Sets a spent threshold again, unless the usage is still above it.
  io::Task<Result<>> rearm(io::Offload& offload);

 private:
  /// What helper threads are given, as a copy.
  struct Subject {
    bool has_high() const { return threshold && version == Cgroups::Version::v2; }

    std::string dir;
    Cgroups::Version version;
    std::optional<uint64_t> threshold;
    const char* counter = "";  // version 2: the line of memory.events
    uint64_t seen = 0;         // its last number
  };
  struct News {
    uint64_t count = 0;
    uint64_t seen = 0;
  };

  MemoryEvents(std::string dir, Cgroups::Version version) : subject_{std::move(dir), version, std::nullopt} {}
  Result<> register_v1(const std::string& file, const std::string& argument);
  Result<> watch_v2(const char* counter);
  static Result<News> look(const Subject& subject, uint64_t told);
  static Result<bool> set_high(const Subject& subject);

  Subject subject_;
  io::Fd fd_;
  io::Fd file_;  // version 1: what the events are of
  bool spent_ = false;
};

/// The number behind "name " in a file of such lines; 0 without that line.
uint64_t counter_in(std::string_view text, std::string_view name);

}  // namespace gcs::runtime
