#pragma once

#include <map>
#include <memory>
#include <string>

#include "runtime/network/adapter_work.h"
#include "runtime/network/resolv_conf.h"
#include "stdio/io/condition.h"

namespace gcs::network {

/// The pod that a namespace belongs to from now on.
struct Attachment {
  pid_t pid = 0;              ///< a process in the pod's network namespace
  bool host_network = false;  ///< it is the VM's own: adapters stay where they are
  std::string resolv_conf;    ///< a file to be kept true; empty: none
};

/// The network namespaces that hosts name, and the adapters that they put into them. A namespace is a record until a
/// container is attached to it; adapters may come before that or after.
///
///     looking ──interface there──▶ waiting ──attached──▶ placed        any ──removed, or failed──▶ gone
///
/// Each adapter is placed and configured once. What is done to one namespace is done one after the other; a device that
/// is still awaited holds nobody up. A record goes with its pod, or when it has neither pod nor adapters.
///
/// Ids are in lower case. The empty one stands for no namespace: nothing is done for it, and no adapter can be in it.
/// Owned by the service, outlives every session; loop thread only.
class Namespaces {
 public:
  static constexpr size_t kMaxNamespaces = 1024;  ///< for adapters that come before their pods
  static constexpr size_t kMaxIdLength = 128;     ///< they are GUIDs

  Namespaces(io::Executor executor, AdapterWork& work) : executor_(executor), work_(work) {}

  /// Makes the record where there is none, waits for the adapter's interface, and installs it if a pod is attached.
  /// `exhausted` beyond kMaxNamespaces; `already_exists` for an adapter that the namespace has; `invalid_argument`
  /// naming the field, also of an id beyond kMaxIdLength. What fails is undone.
  io::Task<Result<>> add(AdapterSettings settings);

  /// Takes the adapter out again: its interface, if there still is one, goes back to the VM, down. Success also for
  /// what is not known. What could not be undone is only logged: the host is about to take the device away.
  io::Task<> remove(std::string id, std::string adapter);

  bool knows(const std::string& id) const { return namespaces_.contains(id); }

  /// Makes the record where there is none, for a pod that is being created: to be followed by attach() or detach().
  void ensure(const std::string& id);

  /// Of all its adapters, in their order.
  DnsSettings dns_of(const std::string& id) const;

  /// Installs what is waiting, and whatever comes from now on. Makes the record where there is none. `wrong_state` if
  /// it has a pod already; what fails is undone.
  io::Task<Result<>> attach(std::string id, Attachment to);

  /// Undoes attach(), for a pod that could not be created after all: its adapters wait for the next one. Also for one
  /// that was never attached. Does nothing to another's.
  io::Task<> detach(std::string id, pid_t pid);

  /// The pod that was attached with this pid is gone: its adapters go back to the VM, and all is forgotten. Does
  /// nothing to another's.
  io::Task<> drop(std::string id, pid_t pid);

  size_t size() const { return namespaces_.size(); }

 private:
  struct Member;
  struct Record;
  class Turn;
  class Listing;
  using MemberPtr = std::shared_ptr<Member>;
  using RecordPtr = std::shared_ptr<Record>;

  RecordPtr find(const std::string& id) const;
  RecordPtr find_or_make(const std::string& id);
  bool is_current(const RecordPtr& record) const;
  void forget_if_empty(const RecordPtr& record);
  uint32_t own_table(const Record& record, const AdapterSettings& settings) const;
  Result<MemberPtr> enlist(AdapterSettings settings);
  io::Task<Result<>> install(RecordPtr record, MemberPtr member);
  io::Task<> withdraw(std::vector<MemberPtr> members);
  io::Task<> leave(std::string id, pid_t pid, bool for_good);
  io::Task<> refresh_dns(RecordPtr record);

  io::Executor executor_;
  AdapterWork& work_;
  std::map<std::string, RecordPtr> namespaces_;
};

}  // namespace gcs::network
