#pragma once

#include <memory>
#include <optional>
#include <string>

#include "tests/host/stdio_listener.h"

namespace gcs::host {

class BridgeClient;
class Call;
class LocalHost;

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

constexpr uint32_t kForever = 0xffffffff;

/// What a host must know of a process to take it over from another: where it is, its streams, the wait for its exit.
struct MigrationState {
  std::string container;
  uint32_t pid = 0;
  StreamPorts ports;
  int64_t wait_id = 0;  ///< of the endless WaitForProcess that the guest has not answered yet
};

/// A process of the guest, started through one host or taken over from it, and the host's ends of its streams.
class Process {
 public:
  /// Opens the listeners, sends ExecuteProcess with `parameters` (the streams are added to it), takes the connections.
  static io::Task<Result<std::unique_ptr<Process>>> start(Host& host, std::string container, json parameters,
                                                          Streams streams);

  /// Takes a process over, as a migration's destination does: listens on its ports, expects the answer to its
  /// predecessor's wait, and probes. The bridge is a new host's, and continues where the predecessor's ids ended. Of
  /// the streams, those that have not ended are dialled by the guest from now on.
  static io::Task<Result<std::unique_ptr<Process>>> open_with_io(LocalHost& host, MigrationState state);

  uint32_t pid() const { return pid_; }
  const std::string& container() const { return container_; }
  const StreamPorts& ports() const { return ports_; }

  /// Null for a stream that was not asked for, or was closed. Closing the outputs once they have ended is what lets
  /// the guest report the exit.
  std::unique_ptr<io::Stream> in;
  std::unique_ptr<io::Stream> out;
  std::unique_ptr<io::Stream> err;

  /// Sends the WaitForProcess without a limit now, so that a successor can take it over.
  void ask_exit(BridgeClient& client);

  /// To be asked after ask_exit() or open_with_io().
  MigrationState migration_state() const;

  /// The exit code: by the wait that was sent already, where it is without a limit; else by a WaitForProcess.
  io::Task<Result<uint32_t>> wait(uint32_t timeout_ms = kForever);
  io::Task<Result<>> signal(int number);
  io::Task<Result<>> resize(uint16_t height, uint16_t width);

 private:
  Process(Host& host, std::string container) : host_(host), container_(std::move(container)) {}

  Host& host_;
  std::string container_;
  uint32_t pid_ = 0;
  StreamPorts ports_;
  BridgeClient* client_ = nullptr;  // has exit_
  std::shared_ptr<Call> exit_;
  std::optional<uint32_t> exit_code_;  // as the probe told it
};

/// The probe of a host that takes a process over, in ms, as the real host's (migration.md 5).
constexpr uint32_t kProbe = 50;

/// Sends WaitForProcess with the next id.
std::shared_ptr<Call> send_wait(BridgeClient& client, const std::string& container, uint32_t pid, uint32_t timeout_ms);

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
