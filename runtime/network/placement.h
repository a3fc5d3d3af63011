#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "runtime/network/plan.h"
#include "stdio/io/fd.h"

/// Puts an interface into a network namespace, configures it there, and takes it back. All of it is blocking.
namespace gcs::network {

/// A network namespace, which lives as long as somebody has it. Null stands for the VM's own.
using NetnsPtr = std::shared_ptr<const io::Fd>;

/// The namespace of a process; null if that is our own.
Result<NetnsPtr> netns_of(pid_t pid);

/// Where an adapter's interface is, and what was done to it.
struct Placement {
  NetnsPtr netns;
  int index = 0;                ///< in its namespace
  std::string name;             ///< there
  uint32_t mtu = 0;             ///< as it came
  std::vector<Operation> done;  ///< in their order
};

/// Moves the VM's interface `name` into the namespace, down. It keeps its name, unless one of `ours` (the indices of
/// the pod's other adapters) has that: then it gets the next free one. Whatever else has it there is left over, from
/// before a migration for one; that is set down and renamed to stale<n>. What fails is undone.
Result<Placement> place(const std::string& name, const NetnsPtr& netns, const std::vector<int>& ours);

/// Does what is asked, but for run_dhcp, and notes in `done` what was done. Stops at the first failure, which names
/// the operation.
Result<> configure(Placement& placement, std::span<const Operation> operations);

/// Undoes it all: rules and addresses go, the MTU is as it was, and the interface is down and back in the VM's
/// namespace. One that is gone has left at most its rules, which go. Tries on after a failure, and gives the first.
Result<> withdraw(const Placement& placement);

}  // namespace gcs::network
