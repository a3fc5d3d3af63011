#pragma once

#include "stdio/io/dialer.h"
#include "tests/host/options.h"
#include "tests/host/signals.h"

namespace gcs::migration {

/// What the commands of gcs-host about migration are given.
struct Program {
  const host::Options& options;
  io::TransportName transport;
  io::Engine& engine;
  io::Clock& clock;
  host::Signals& signals;
};

/// `serve --ttrpc`: a shim, until a signal.
io::Task<Result<int>> serve_shim(Program& program);

/// `migrate`: 0 when the VM has moved, 1 when it was rolled back. The first signal cancels.
io::Task<Result<int>> migrate(Program& program);

/// `start`, `wait`, `signal`, `remove` and `list`: a shim's clients.
io::Task<Result<int>> ask_shim(Program& program);

}  // namespace gcs::migration
