#pragma once

#include "runtime/oci_runtime.h"
#include "stdio/stream_set.h"

namespace gcs::runtime {

/// The pipes between a process and its relays: our ends, and the process's, which are closed once it is started.
struct StdioPipes {
  stdio::ProcessEnds ours;
  io::Fd in;
  io::Fd out;
  io::Fd err;

  ContainerStdio theirs() const { return {in.get(), out.get(), err.get(), false}; }
};

struct WantedPipes {
  bool in = true;
  bool out = true;
  bool err = true;
};

/// Streams that are not wanted get /dev/null.
Result<StdioPipes> make_stdio_pipes(io::Engine& engine, WantedPipes wanted);

}  // namespace gcs::runtime
