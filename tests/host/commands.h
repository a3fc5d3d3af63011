#pragma once

#include "tests/host/attend.h"
#include "tests/host/options.h"
#include "tests/host/saved_state.h"

namespace gcs::host {

/// What gcs-host does once it has a bridge. Each gives the exit status of the program; errors are the caller's to
/// print.
io::Task<Result<int>> run_container(Host& host, const Options& options, const Caller& caller);
io::Task<Result<int>> run_exec(Host& host, const Options& options, const Caller& caller);
io::Task<Result<int>> run_uvm(Host& host, const Options& options, const Caller& caller);

/// Takes a process over from the host that saved `state`, over the bridge of a new host; ends as that one would have.
io::Task<Result<int>> resume(LocalHost& host, SavedState state, const Options& options, const Caller& caller);

/// The rest: one question, one text for stdout.
io::Task<Result<std::string>> answer_command(Host& host, const Options& options);

}  // namespace gcs::host
