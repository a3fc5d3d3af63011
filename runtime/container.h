#pragma once

#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime/cgroup_stats.h"
#include "runtime/container_kind.h"
#include "runtime/container_state.h"
#include "runtime/container_traits.h"
#include "runtime/network/namespaces.h"
#include "runtime/oci_runtime.h"
#include "runtime/pod.h"
#include "runtime/process.h"
#include "runtime/spec_security.h"
#include "stdio/io/offload.h"

namespace gcs::runtime {

/// What containers and processes need of the house; owned by the service, outlives them.
struct RuntimeContext {
  stdio::StdioContext& stdio;
  Reaper& reaper;
  OciRuntime& oci;
  io::Offload& offload;
  io::TaskGroup& group;  ///< runs the processes
  network::Namespaces& networks;
  Cgroups cgroups;
};

struct ContainerConfig {
  std::string id;
  std::string bundle_path;
  std::string scratch_path;
  std::shared_ptr<nlohmann::json> spec;
  std::shared_ptr<const SecurityTexts> security;  ///< the VM's; may be null
};

/// One OCI container: its state, its init process and its execs. Owned by the Registry; survives every outage.
class Container : public std::enable_shared_from_this<Container> {
 public:
  /// `run_exec` takes over a started exec and runs it to its end. `pods` outlives the container.
  Container(RuntimeContext& context, Pods& pods, ContainerConfig config, std::function<void(ProcessPtr)> run_exec);
  ~Container();

  const std::string& id() const { return config_.id; }
  const std::string& bundle_path() const { return config_.bundle_path; }
  ContainerState state() const { return state_; }
  ExitType exit_type() const { return exit_type_; }
  ProcessPtr init() const { return init_; }

  /// Prepares the specification, writes the bundle, creates the container, and a sandbox's pod with it. Whatever fails
  /// is undone.
  io::Task<Result<>> create();

  /// Connects the streams and starts the init process; gives its pid.
  io::Task<Result<pid_t>> start(stdio::StreamPorts ports);

  /// Runs an OCI process object in the container.
  io::Task<Result<pid_t>> exec(std::shared_ptr<nlohmann::json> process, stdio::StreamPorts ports);

  /// SIGTERM, or SIGKILL when forced, to the init process by way of the runtime.
  io::Task<Result<>> shut_down(bool forced);

  /// A signal to one process.
  Result<> signal(pid_t pid, int signal);

  /// The init process or an exec; null when there is none of that pid.
  ProcessPtr find(pid_t pid) const;

  /// Drops an exec that has exited; its code is then no longer known. Does nothing where another has its pid by now.
  void forget(const ProcessPtr& exec);

  /// The pids in the container's cgroup.
  io::Task<Result<std::vector<uint32_t>>> pids();

  /// What the container's cgroup has used.
  io::Task<Result<CgroupStats>> stats();

  /// Other limits while it runs: OCI linux.resources, of which what is absent stays.
  io::Task<Result<>> update(nlohmann::json resources);

  /// Removes what the runtime and the disk keep of it. `wrong_state` while it runs; afterwards the object is of no use.
  io::Task<Result<>> remove();

  /// Waits for the end of the init process as its waiters see it.
  io::Task<> stopped();

 private:
  // container_create.cc
  io::Task<Result<>> create_parts();
  Result<> enter_pod();
  Result<> find_network();
  io::Task<Result<>> prepare();
  io::Task<Result<>> release_held();
  io::Task<Result<>> write_files();
  io::Task<Result<>> create_process();
  io::Task<Result<>> attach_network();
  io::Task<> undo_create();

  io::Task<Result<std::shared_ptr<stdio::TeeLog>>> open_tee();
  io::Task<> run_init(std::shared_ptr<Container> self);
  io::Task<> init_exited();
  io::Task<Result<>> remove_files();
  Result<> advance(ContainerEvent event);

  RuntimeContext& context_;
  Pods& pods_;
  ContainerConfig config_;
  std::function<void(ProcessPtr)> run_exec_;
  ContainerState state_ = ContainerState::creating;
  ExitType asked_ = ExitType::unexpected;
  ExitType exit_type_ = ExitType::unexpected;
  Placement placement_;
  PodPtr pod_;  // null without a pod
  bool holds_volumes_ = false;
  bool has_files_ = false;
  std::string expected_network_;  // the namespace whose record Create has made, if it did
  bool has_network_ = false;
  io::TaskGroup::TaskId memory_watch_ = 0;
  ContainerTraits traits_;
  ProcessPtr init_;
  stdio::ProcessEnds init_ends_;
  std::map<pid_t, ProcessPtr> execs_;
};

using ContainerPtr = std::shared_ptr<Container>;

}  // namespace gcs::runtime
