#pragma once

#include <sys/types.h>

#include "runtime/network/placement.h"
#include "stdio/io/task.h"

namespace gcs::network {

/// An adapter on its way into a namespace.
struct Installation {
  std::string interface;  ///< in the VM's namespace
  NetnsPtr netns;         ///< null: it stays there
  std::vector<int> ours;  ///< indices of the adapters that are there already
  std::vector<Operation> plan;
};

/// What the Namespaces have others do: all that looks at devices or touches interfaces. An interface for their tests.
class AdapterWork {
 public:
  virtual ~AdapterWork() = default;

  /// The name of the adapter's interface, once it is there; bounded.
  virtual io::Task<Result<std::string>> find(std::string id, bool vpci_assigned) = 0;

  virtual Result<NetnsPtr> netns_of(pid_t pid) = 0;

  /// Whatever fails is undone.
  virtual io::Task<Result<Placement>> install(Installation installation) = 0;

  /// Takes an adapter back into the VM's namespace, down.
  virtual io::Task<Result<>> withdraw(Placement placement) = 0;

  virtual io::Task<Result<>> write_resolv_conf(std::string path, std::string text) = 0;
};

}  // namespace gcs::network
