#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "tests/host/process.h"

namespace gcs::host {

/// A mount beyond the usual ones; `source` as wire.md and behaviour.md 5.4 have it: a path, sandbox://, hugepages://…
struct BindMount {
  std::string source;
  std::string destination;
  std::vector<std::string> options;  ///< beside rbind
};

/// What a person says about a container; the rest of its OCI spec is that of an ordinary one.
struct ContainerSpec {
  std::string id;
  std::vector<std::string> layers;  ///< guest paths, the topmost first
  bool read_only = false;
  std::string hostname;  ///< empty: the guest decides
  int64_t memory_limit = 0;
  std::string network;  ///< its network namespace's id; empty: a new one
  std::vector<BindMount> mounts;
  std::vector<std::pair<std::string, std::string>> annotations;
  bool sandbox = false;      ///< the first container of a pod, whose id is the pod's
  std::string pod;           ///< a workload of that pod
  uint32_t sandbox_pid = 0;  ///< of such a one: whose namespaces it joins; 0: it has its own
  Command command;

  // Where the host puts it, as the v1 shim does.
  std::string bundle() const { return "/run/gcs/c/" + id; }
  std::string rootfs() const { return bundle() + "/rootfs"; }
  std::string scratch() const { return read_only ? std::string() : bundle() + "/scratch/" + id; }
};

/// 64 hex digits, as the shims name containers.
std::string random_id();

/// PATH, TERM with a terminal, then the command's own.
std::vector<std::string> environment_of(const Command& command);

json oci_process(const Command& command);
json oci_spec(const ContainerSpec& spec);

}  // namespace gcs::host
