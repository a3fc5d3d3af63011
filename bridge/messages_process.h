#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bridge/messages.h"

namespace gcs::bridge {

struct ConsoleSize {
  uint16_t height = 0;
  uint16_t width = 0;
};

/// Three requests in one, told apart as wire.md 7.5 says: a process in the VM (the null id, or `in_uvm`), an exec
/// (there is an `oci_process`), else the container's init process is started.
struct ExecuteProcess {
  Base base;

  std::vector<std::string> args;  ///< VM processes only, as are the next four
  std::string command_line;       ///< to be split where there are no args
  std::string working_directory;
  std::map<std::string, std::string> environment;
  bool emulate_console = false;
  std::optional<ConsoleSize> console_size;
  bool in_uvm = false;

  Json oci_process;  ///< an object, or null

  /// Present where the host asked for the pipe. Port 0 if it then named none.
  std::optional<uint32_t> stdin_port;
  std::optional<uint32_t> stdout_port;
  std::optional<uint32_t> stderr_port;
};

struct WaitForProcess {
  Base base;
  uint32_t process_id = 0;
  uint32_t timeout_ms = 0;  ///< kForever: none. 0 is a real limit.
};

struct SignalProcess {
  Base base;
  uint32_t process_id = 0;
  int32_t signal = 0;  ///< never 0: a request that names none means SIGKILL
};

struct ResizeConsole {
  Base base;
  uint32_t process_id = 0;
  ConsoleSize size;
};

Result<ExecuteProcess> decode_execute_process(const Body& body);
Result<WaitForProcess> decode_wait_for_process(const Body& body);
Result<SignalProcess> decode_signal_process(const Body& body);
Result<ResizeConsole> decode_resize_console(const Body& body);

}  // namespace gcs::bridge
