#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "stdio/io/clock.h"
#include "stdio/io/engine.h"

// The kernel's log, read by one task for all who heed it: what goes into our own log, and what tells of a new VM
// generation (vm_generation.h). /dev/kmsg gives one record a read(2), from the oldest that the kernel still has, and
// then each new one (the kernel's Documentation/ABI/testing/dev-kmsg):
//
//   PRIORITY,NUMBER,MICROSECONDS,FLAGS[,MORE];TEXT\n
//   and further lines: " KEY=VALUE"

namespace gcs {

/// One record. The texts are parts of what was read.
struct KernelRecord {
  unsigned priority = 0;  ///< 0, the gravest, to 7
  unsigned facility = 0;  ///< 0: the kernel itself; else a program has written it
  uint64_t number = 0;
  uint64_t time_us = 0;  ///< since the machine's start
  std::string_view flags;
  std::string_view text;  ///< with the further lines, without the last line's end
};

/// Nothing for what is no record.
std::optional<KernelRecord> parse_kernel_record(std::string_view record);

/// How the log is opened, and one record taken, as read(2) does it; a value with static life.
struct KernelLog {
  Result<io::Fd> (*open)();
  ssize_t (*read)(int fd, void* to, size_t size);
};

/// /dev/kmsg.
extern const KernelLog kKernelLog;

/// `fresh`: the record has come since the reading began; else it was there before.
using KernelRecordCall = std::function<void(const KernelRecord& record, bool fresh)>;

/// Calls `seen` for each record until it is cancelled; ends, with a line in our log, where the kernel's cannot be read.
/// Records that the kernel has overwritten meanwhile are passed over. A log that floods is read in batches with a pause
/// after each, at most 6400 records a second: the kernel drops what that is too slow for, and nobody waits.
io::Task<> read_kernel_log(io::Engine& engine, io::Clock& clock, KernelLog log, KernelRecordCall seen);

/// What the flag -kmsgLogLevel asks for: a record of this priority or graver becomes one of ours, "kmsg read".
void report_kernel_record(const KernelRecord& record, uint64_t gravest_to);

/// Whether what is written to this descriptor comes back as a record of the kernel's log: then none may be reported.
bool feeds_kernel_log(int fd);

}  // namespace gcs
