#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/host/stdio_listener.h"

namespace gcs::host {

/// Which streams a process is to have.
struct Streams {
  bool in = false;
  bool out = true;
  bool err = true;
};

/// The ports of a process's streams; 0 for one that it has not.
struct StreamPorts {
  io::Port in = 0;
  io::Port out = 0;
  io::Port err = 0;
};

/// A process of the guest, started through one host, and the host's ends of its streams.
class Process {
 public:
  /// Opens the listeners, sends ExecuteProcess with `parameters` (the streams are added to it), takes the connections.
  static io::Task<Result<std::unique_ptr<Process>>> start(Host& host, std::string container, json parameters,
                                                          Streams streams);

  uint32_t pid() const { return pid_; }
  const std::string& container() const { return container_; }
  const StreamPorts& ports() const { return ports_; }

  /// Null for a stream that was not asked for, or was closed. Closing the outputs once they have ended is what lets
  /// the guest report the exit.
  std::unique_ptr<io::Stream> in;
  std::unique_ptr<io::Stream> out;
  std::unique_ptr<io::Stream> err;

  /// WaitForProcess, for ever by default; gives the exit code.
  io::Task<Result<uint32_t>> wait(uint32_t timeout_ms = 0xffffffff);
  io::Task<Result<>> signal(int number);
  io::Task<Result<>> resize(uint16_t height, uint16_t width);

 private:
  Process(Host& host, std::string container) : host_(host), container_(std::move(container)) {}

  Host& host_;
  std::string container_;
  uint32_t pid_ = 0;
  StreamPorts ports_;
};

/// `parameters` of an exec in a container, and of a process of the VM itself.
struct Command {
  std::vector<std::string> args;
  std::vector<std::string> env;  ///< KEY=VALUE, beside PATH and TERM
  std::string cwd = "/";
  bool terminal = false;
  uint16_t height = 0;  ///< the terminal's size at the start; 0 is unknown
  uint16_t width = 0;
};
json exec_parameters(const Command& command);
json uvm_parameters(const Command& command);

/// As in `docker run`: no stderr of its own where there is a terminal.
Streams streams_of(const Command& command, bool interactive);

}  // namespace gcs::host
