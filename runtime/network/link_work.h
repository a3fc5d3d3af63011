#pragma once

#include <functional>

#include "runtime/network/adapter_work.h"
#include "runtime/network/device_lookup.h"

namespace gcs::network {

/// Gets an address for an interface of a namespace (null: the VM's own); bounded.
using Dhcp = std::function<io::Task<Result<>>(std::string interface, NetnsPtr netns)>;

/// The work done by the kernel, on helper threads.
class LinkWork final : public AdapterWork {
 public:
  LinkWork(io::Offload& offload, DeviceLookup& devices, Dhcp dhcp)
      : offload_(offload), devices_(devices), dhcp_(std::move(dhcp)) {}

  io::Task<Result<std::string>> find(std::string id, bool vpci_assigned) override;
  Result<NetnsPtr> netns_of(pid_t pid) override { return network::netns_of(pid); }
  io::Task<Result<Placement>> install(Installation installation) override;
  io::Task<Result<>> withdraw(Placement placement) override;
  io::Task<Result<>> write_resolv_conf(std::string path, std::string text) override;

 private:
  io::Offload& offload_;
  DeviceLookup& devices_;
  Dhcp dhcp_;
};

}  // namespace gcs::network
