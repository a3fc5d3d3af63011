#pragma once

#include <string>
#include <vector>

#include "runtime/bundle.h"

namespace gcs::runtime {

/// What is to be remembered of a container's specification; the document itself, which may be large, need not be.
struct ContainerTraits {
  bool terminal = false;
  bool owns_pid_namespace = false;
  bool host_network = false;      ///< it shares the VM's network
  std::string network_namespace;  ///< lower case; empty: the host named none, or it is the pod's
  std::string cgroups_path;       ///< below the cgroups' root
  std::string rootfs;
  std::string rlimits;            ///< the init process's, as JSON text; empty: none
  std::string user;               ///< its user object, as JSON text, if that has a name; else empty
  std::vector<BundleFile> files;  ///< to be written: a sandbox's into the pod's root, else into the bundle
  std::string logs_dir;           ///< where tee logs are; empty: it has none and shows none
  std::string security_dir;       ///< its security context's, in the root file system; empty: none
  std::string tee_log;            ///< its own, as a path below that; empty: none
};

}  // namespace gcs::runtime
