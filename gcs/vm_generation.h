#pragma once

#include <functional>
#include <string_view>

#include "gcs/kernel_log.h"

// The VM generation id: 16 bytes in the guest's memory that a hypervisor changes when a VM begins to live a second time
// (restored from a saved state, or copied), but not when it is live-migrated. The ACPI device VM_Gen_Counter says where
// they are, and the kernel alone reads them (drivers/virt/vmgenid.c, since 5.18): sysfs shows the device, not the
// bytes. The kernel then reseeds by itself. Of that a program learns by
//
//   a uevent          "change" of the device with NEW_VMGENID=1. In 6.8, then taken out again; some kernels have it
//   the kernel's log  one line of drivers/char/random.c, since 5.18. No interface that is promised to stay
//
// so both are heeded. Where neither comes, only the clock shows a restore.

namespace gcs {

/// Where messages of such a kind come from; a value with static life.
struct GenerationSource {
  const char* name;
  Result<io::Fd> (*open)();

  /// Takes one message; an empty one is to be passed over. Does not block: EAGAIN when there is none.
  Result<std::string> (*take)(const io::Fd& fd);

  /// The message tells of a changed VM generation.
  bool (*tells)(std::string_view message);
};

/// The kernel's own uevents (netlink(7), NETLINK_KOBJECT_UEVENT): what programs send to that group is passed over.
extern const GenerationSource kUevents;

/// The same of a record of the kernel's log, which is read elsewhere (kernel_log.h): what programs write there is
/// passed over as well.
bool is_new_generation(const KernelRecord& record);

/// Calls `changed` for each change that the source tells of, until it is cancelled. Ends where there is no such source.
io::Task<> watch_generation(io::Engine& engine, const GenerationSource& source, std::function<void()> changed);

}  // namespace gcs
