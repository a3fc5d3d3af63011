#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime/bundle.h"
#include "runtime/host_files.h"

/// What we change in OCI documents before the OCI runtime gets them.
namespace gcs::runtime {

/// What is to be remembered of a container's specification; the document itself, which may be large, need not be.
struct ContainerTraits {
  bool terminal = false;
  bool owns_pid_namespace = false;
  bool host_network = false;      ///< it shares the VM's network
  std::string network_namespace;  ///< lower case; empty: the host named none
  std::string cgroups_path;       ///< below the cgroups' root
  std::string rootfs;
  std::string rlimits;            ///< the init process's, as JSON text; empty: none
  std::string user;               ///< its user object, as JSON text, if that has a name; else empty
  std::vector<BundleFile> files;  ///< to be written into the bundle
};

/// Checks the specification of a container without a pod, and prepares it: its cgroup is /pods/<id>; hostname, hosts
/// and resolv.conf are mounted from the bundle where the host mounts nothing there; with the annotation for the VM's
/// network it gets no network namespace; the Windows part goes. After a failure the document is not to be used.
Result<ContainerTraits> prepare_standalone(nlohmann::json& spec, const std::string& id, const std::string& bundle_path,
                                           const NetworkNames& names = names_of_vm());

/// Checks the process object of an exec, and prepares it: it gets the container's rlimits, and as its user the one it
/// names, looked up in the root file system, else the container's if that has a name, else the ids in it. Tells whether
/// it wants a terminal. With a user name this reads two small files: blocking.
Result<bool> prepare_exec(nlohmann::json& process, const ContainerTraits& traits);

}  // namespace gcs::runtime
