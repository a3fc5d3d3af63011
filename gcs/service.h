#pragma once

#include <functional>
#include <memory>

#include "bridge/session.h"
#include "gcs/handlers.h"
#include "gcs/log_port.h"
#include "gcs/options.h"
#include "gcs/restore_watch.h"
#include "runtime/registry.h"
#include "stdio/io/loop.h"

namespace gcs {

/// The agent: owns everything that outlives a session, and the loop that makes sessions. One per program.
///
/// Members stand in the order in which they need each other; the group of running tasks is last, so it goes first.
class Service {
 public:
  Service(const Options& options, io::Loop& loop);
  ~Service();

  /// Becomes subreaper, prepares the cgroups, and starts to dial.
  Result<> start();

  /// Stops dialling, ends the streams and waits for every task. Containers go on.
  io::Task<> stop();

  /// Called once no host can come any more: -use-inouterr, and stdin has ended.
  void on_end(std::function<void()> call) { end_ = std::move(call); }

  /// Called once the host has asked for the VM's power-off; the program decides what that means.
  void on_power_off(std::function<void()> call) { power_off_ = std::move(call); }

 private:
  io::Task<> keep_session();
  io::Task<Error> serve(std::unique_ptr<io::Stream> conn, uint64_t number);
  io::Task<> power_off();
  io::Task<> watch_kernel();
  io::Task<> watch_memory();

  const Options& options_;
  io::Loop& loop_;
  io::SystemClock clock_;
  std::unique_ptr<io::Dialer> dialer_;
  LogPort log_port_;
  io::Offload offload_;
  RestoreWatch restore_;
  stdio::HostLink link_;
  stdio::BufferPool pool_;
  stdio::StdioContext stdio_;
  runtime::Reaper reaper_;
  std::unique_ptr<runtime::OciRuntime> oci_;
  bridge::Exchange exchange_;
  std::function<void()> power_off_;
  std::function<void()> end_;
  uint64_t sessions_ = 0;
  network::Network network_;
  io::TaskGroup processes_;
  runtime::RuntimeContext runtime_;
  runtime::Registry registry_;
  storage::Storage storage_;
  runtime::PodsMemory pods_memory_;
  Guard guard_;
  storage::TrackedMounts mounts_;
  HandlerContext handlers_;
  io::TaskGroup group_;
};

}  // namespace gcs
