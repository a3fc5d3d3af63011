#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "runtime/cgroup_limits.h"
#include "runtime/pod_files.h"
#include "runtime/pod_state.h"
#include "stdio/io/offload.h"

namespace gcs::runtime {

/// One pod: its files, its cgroup, and who is in it. Owned by Pods and by the containers in it.
struct Pod {
  Pod(std::string pod_id, PodPaths pod_paths) : id(std::move(pod_id)), paths(std::move(pod_paths)) {}

  std::string cgroup() const { return "/pods/" + id; }

  /// What its sandbox container has left to the pod's end: its files lie in the pod's root, which others still use.
  struct Remains {
    std::string bundle_path;
    std::string scratch_path;
  };

  const std::string id;
  const PodPaths paths;
  bool is_virtual = false;
  bool host_network = false;  ///< its containers share the VM's network
  bool furnished = false;     ///< its files and its cgroup are there
  PodState state = PodState::creating;
  std::set<std::string> workloads;
  std::optional<Remains> remains;
};

using PodPtr = std::shared_ptr<Pod>;

/// The pods of the VM. Owned by the registry; loop thread only.
class Pods {
 public:
  /// `offload` outlives it.
  Pods(io::Offload& offload, Cgroups cgroups) : offload_(offload), cgroups_(std::move(cgroups)) {}

  /// Takes the id for a pod whose sandbox is being created; `already_exists`. Ended by made() or abandon().
  Result<PodPtr> begin(const std::string& id, const std::string& sandbox_bundle, bool is_virtual);

  /// Makes its files and its cgroup. What fails is undone; the pod is still to be abandoned.
  io::Task<Result<>> furnish(PodPtr pod, std::vector<BundleFile> files, CgroupLimits limits);

  /// The sandbox is there: workloads may join.
  void made(const PodPtr& pod);

  /// The sandbox could not be created: takes back what furnish() has made, and the sandbox's bundle.
  io::Task<Result<>> abandon(PodPtr pod, std::string bundle_path);

  /// Enters a workload. `not_found` without the pod, `wrong_state` while its sandbox is being created.
  Result<PodPtr> join(const std::string& id, const std::string& workload);

  /// Whether files of a pod are in this bundle, which its sandbox may have left to it.
  bool uses_bundle(const std::string& bundle_path) const;

  /// A workload is gone. The last one of a pod without sandbox ends the pod.
  io::Task<Result<>> leave(PodPtr pod, std::string workload);

  /// The sandbox container is gone; its files are removed with the pod: now, or when the last workload leaves.
  io::Task<Result<>> retire(PodPtr pod, Pod::Remains remains);

 private:
  static void advance(Pod& pod, PodEvent event);
  io::Task<Result<>> take_down(PodPtr pod);

  io::Offload& offload_;
  Cgroups cgroups_;
  std::map<std::string, PodPtr> pods_;
};

}  // namespace gcs::runtime
