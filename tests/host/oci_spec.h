#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "tests/host/process.h"

namespace gcs::host {

/// What a person says about a container; the rest of its OCI spec is that of an ordinary one.
struct ContainerSpec {
  std::string id;
  std::vector<std::string> layers;  ///< guest paths, the topmost first
  bool read_only = false;
  std::string hostname;  ///< empty: the guest decides
  int64_t memory_limit = 0;
  std::string network;  ///< its network namespace's id; empty: a new one
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
