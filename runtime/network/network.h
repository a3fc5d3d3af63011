#pragma once

#include "runtime/network/link_work.h"
#include "runtime/network/namespaces.h"

namespace gcs::network {

/// All of it, for the service to own.
struct Network {
  Network(io::Executor executor, io::Offload& offload, io::Clock& clock, Dhcp dhcp)
      : devices(executor, offload, clock), work(offload, devices, std::move(dhcp)), namespaces(executor, work) {}

  DeviceLookup devices;
  LinkWork work;
  Namespaces namespaces;
};

}  // namespace gcs::network
