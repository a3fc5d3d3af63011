#pragma once

#include <deque>
#include <map>
#include <string>
#include <utility>

#include "runtime/container.h"
#include "runtime/uvm_process.h"

namespace gcs::runtime {

/// Every container and process that a host may name. Owned by the service; outlives every session.
///
/// Exit codes are kept: an init process's until its container is removed, those of execs and VM processes in a table of
/// kMaxExited, whose oldest entry gives way and is reported in the log.
class Registry {
 public:
  static constexpr size_t kMaxExited = 4096;

  explicit Registry(RuntimeContext& context) : context_(context), pods_(context.offload, context.cgroups) {}

  /// `already_exists` for an id in use; whatever fails later is undone and the id free again.
  io::Task<Result<ContainerPtr>> create(ContainerConfig config);

  /// `container_not_found`, or `wrong_state` while its creation is still running.
  Result<ContainerPtr> find(const std::string& id) const;

  /// The id is in use, if only by one whose creation is still running.
  bool contains(const std::string& id) const { return containers_.contains(id); }

  /// Whether a container, or what is left of a pod, has this bundle; a clean path.
  bool uses_bundle(const std::string& bundle_path) const;

  /// Frees all that is kept of a container that has stopped, its id included.
  io::Task<Result<>> remove(std::string id);

  /// Starts a process in the VM; gives its pid.
  io::Task<Result<pid_t>> run_in_uvm(UvmCommand command, stdio::StreamPorts ports);

  /// A process of a container, or of the VM for the null id; `process_not_found`.
  Result<ProcessPtr> find_process(const std::string& container_id, uint32_t pid) const;

  Result<> signal(const std::string& container_id, uint32_t pid, int signal);

  /// Runs a task that watches a container, beside the processes.
  void watch(io::Task<> task) { context_.group.spawn("container watch", std::move(task)); }

  /// For execs and VM processes: runs one until its exit, then keeps its code.
  void run(std::string container_id, ProcessPtr process);

 private:
  io::Task<> run_to_end(std::string container_id, ProcessPtr process);
  void keep_code(std::string container_id, const ProcessPtr& process);

  RuntimeContext& context_;
  Pods pods_;
  std::map<std::string, ContainerPtr> containers_;
  std::map<pid_t, ProcessPtr> uvm_processes_;
  std::deque<std::pair<std::string, std::weak_ptr<Process>>> exited_;  // oldest first; empty id: a VM process
};

}  // namespace gcs::runtime
