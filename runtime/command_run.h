#pragma once

#include <string>

#include "runtime/reaper.h"
#include "stdio/io/clock.h"

namespace gcs::runtime {

struct CommandOutput {
  ExitStatus status;
  std::string text;  ///< stdout and stderr together, at most 64 KiB
};

/// Runs a command to its end with captured output and `input` on its stdin. It is killed when it passes `limit`, and
/// the answer is then `timed_out`; a cancelled caller kills it as well. What a grandchild holds open does not delay it.
io::Task<Result<CommandOutput>> run_command(Reaper& reaper, io::Engine& engine, io::Clock& clock, Command command,
                                            std::string input, io::Clock::Duration limit);

/// The same for a command with its stdio given by the caller: only its exit counts.
io::Task<Result<ExitStatus>> run_to_exit(Reaper& reaper, io::Engine& engine, io::Clock& clock, Command command,
                                         io::Clock::Duration limit);

}  // namespace gcs::runtime
