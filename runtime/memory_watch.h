#pragma once

#include "runtime/cgroup_events.h"
#include "stdio/io/offload.h"

namespace gcs::runtime {

/// What a watch needs; all of it outlives the watch.
struct MemoryWatchContext {
  io::Engine& engine;
  io::Clock& clock;
  io::Offload& offload;
  const Cgroups& cgroups;
};

/// A cgroup whose memory is watched.
struct WatchedMemory {
  std::string cgroup;
  std::string container_id;           ///< empty: the VM's own
  std::optional<uint64_t> threshold;  ///< bytes; without one the watch is for out-of-memory
};

/// Nothing, and a line in the log, where the kernel cannot tell.
io::Task<std::optional<MemoryEvents>> open_memory_watch(MemoryWatchContext context, WatchedMemory watched);

/// Reports in the log, at most once a second, until the cgroup is gone.
io::Task<> report_memory(MemoryWatchContext context, WatchedMemory watched, MemoryEvents events);

/// Both.
io::Task<> watch_memory(MemoryWatchContext context, WatchedMemory watched);

}  // namespace gcs::runtime
