#pragma once

#include <string>
#include <vector>

#include "runtime/container.h"

namespace gcs::runtime {

/// A process of the VM itself, outside any container.
struct UvmCommand {
  std::vector<std::string> args;
  std::string command_line;  ///< split as a shell would, without expansion, where there are no args
  std::string working_directory;
  std::vector<std::string> environment;
  bool terminal = false;
  uint16_t rows = 0;  ///< the terminal's first size; 0 is the kernel's default
  uint16_t columns = 0;
};

/// Connects the streams and starts the process. Its pipes go through relays like a container's, so that it survives
/// outages. The caller runs what comes back.
io::Task<Result<ProcessPtr>> start_uvm_process(RuntimeContext& context, UvmCommand command, stdio::StreamPorts ports);

}  // namespace gcs::runtime
