#pragma once

#include "tests/host/process.h"
#include "tests/host/signals.h"

namespace gcs::host {

/// Who runs a command: the descriptors that stand for the process's streams, and the signals that he may get (none in
/// tests).
struct Caller {
  int in = 0;
  int out = 1;
  int err = 2;
  Signals* signals = nullptr;
};

/// Signals that reach a process of the guest through the caller. Those that tell of the terminal come with them.
std::initializer_list<int> forwarded_signals();

/// Makes a started process feel like one of the caller's own, to its end: its streams are the caller's, a terminal is
/// raw and of the same size, signals are passed on. Gives the exit code.
///
/// A third SIGINT or SIGTERM kills the process, as it has had its chance; a fifth stops waiting even for that.
io::Task<Result<uint32_t>> attend(Host& host, Process& process, const Caller& caller, bool terminal);

}  // namespace gcs::host
