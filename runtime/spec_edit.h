#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime/container_kind.h"
#include "runtime/container_traits.h"
#include "runtime/device_node.h"
#include "runtime/host_files.h"
#include "runtime/pod_files.h"
#include "runtime/spec_security.h"
#include "stdio/io/result.h"

/// What we change in a container's OCI document before the OCI runtime gets it (behaviour.md 5.3 to 5.5, 6).
namespace gcs::runtime {

/// Where a container comes to, as far as its document is concerned.
struct SpecPlace {
  std::string id;
  std::string bundle_path;
  Placement placement;
  PodPaths pod;                                     ///< of a container without a pod: in its bundle
  bool pod_host_network = false;                    ///< for a workload: its sandbox shares the VM's network
  NetworkNames names;                               ///< for a document without a host name, and for resolv.conf
  std::vector<DeviceNode> assigned;                 ///< the nodes of its assigned devices
  std::shared_ptr<const SecurityTexts> security{};  ///< the VM's; null: none
};

/// Where a container's volumes are held while it is created (held_volumes.h).
std::string volumes_dir(const std::string& bundle_path);

struct PreparedSpec {
  ContainerTraits traits;
  bool holds_volumes = false;  ///< in volumes_dir(): to be released when the container has been created
};

/// Checks the document and prepares it. Of every container: the cgroup is below /pods, the Windows part goes, with the
/// VM's network there is no network namespace, tee logs are shown where the host asks for them, and so is what there is
/// of the VM's security (spec_security.h).
///
/// - Without a pod: hostname, hosts and resolv.conf are mounted from the bundle where the host mounts nothing there.
/// - A sandbox: the files are the pod's; its user is looked up by name, its core limit set.
/// - A workload: they are mounted from the pod; the mounts that only hosts know are resolved; /dev/shm, the core limit,
///   devices, GPUs and a user's name are as its annotations and the VM have them. A host name is `unsupported`.
///
/// After a failure nothing is held or shown, and the document is not to be used. Reads files, makes volumes of the pod,
/// writes into the root file system: blocking.
Result<PreparedSpec> prepare_spec(nlohmann::json& spec, const SpecPlace& place);

}  // namespace gcs::runtime
