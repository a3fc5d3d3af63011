#pragma once

#include <sys/types.h>

#include <string>

#include "runtime/host_files.h"
#include "stdio/io/task.h"

namespace gcs::runtime {

/// What containers need of the network: namespaces by the ids that hosts give them, in lower case; an empty id is a
/// namespace like any other. Outlives the containers. Loop thread only.
class PodNetwork {
 public:
  virtual ~PodNetwork() = default;

  /// A host has announced the namespace, by adding an adapter or by a container that needs none.
  virtual bool knows(const std::string& id) const = 0;

  /// Makes the record of a namespace, unless there is one.
  virtual Result<> ensure(const std::string& id) = 0;

  /// What the adapters of the namespace say together.
  virtual DnsSettings dns(const std::string& id) const = 0;

  /// Gives the namespace's adapters, those that come later included, to the network namespace of process `pid`; with
  /// `in_vm` they are set up where they are, in the VM's own. A second process is `already_exists`.
  virtual io::Task<Result<>> attach(std::string id, pid_t pid, bool in_vm) = 0;

  /// The container of attach() is gone, and with it the kernel's namespace; so is the record if no adapter is left in
  /// it.
  virtual io::Task<> detach(std::string id, pid_t pid) = 0;
};

/// For a VM without adapters: every namespace is known and has none.
PodNetwork& no_network();

}  // namespace gcs::runtime
