#pragma once

#include <string>

#include "stdio/io/clock.h"
#include "stdio/io/offload.h"

/// What the kernel makes of a device that the host has hot-added, found by the GUID of its instance on the VMBus:
///
///     /sys/bus/vmbus/devices/<guid>/net/eth0                               a synthetic NIC
///     /sys/bus/vmbus/devices/<guid>/pci0b3f:00/0b3f:00:02.0/net/eth1      a virtual PCI device, and its interface
namespace gcs::network {

/// 32 hex digits in Microsoft's grouping, without braces.
bool is_guid(std::string_view text);

// One look each, for a GUID in lower case; blocking. `not_found`: not there (yet); `internal`: more than one.
Result<std::string> find_interface(const std::string& sysfs, const std::string& guid, bool vpci_assigned);
Result<std::string> find_pci_path(const std::string& sysfs, const std::string& guid);

/// The same below the device's own directory on the bus.
Result<std::string> find_pci_function(const std::string& device);

/// The same, waiting for a device that may still be on its way. It looks every 20 ms, each time for a moment on a
/// helper thread, so nobody else waits.
class DeviceLookup {
 public:
  static constexpr std::chrono::seconds kInterfaceLimit{5};
  static constexpr std::chrono::seconds kPciLimit{10};

  DeviceLookup(io::Executor executor, io::Offload& offload, io::Clock& clock, std::string sysfs = "/sys")
      : executor_(executor), offload_(offload), clock_(clock), sysfs_(std::move(sysfs)) {}

  /// The name of the adapter's interface; `not_found` after kInterfaceLimit, `invalid_argument` for what is no GUID.
  io::Task<Result<std::string>> interface_of(std::string guid, bool vpci_assigned);

  /// The device's directory in sysfs; `not_found` after kPciLimit.
  io::Task<Result<std::string>> pci_path_of(std::string guid);

 private:
  using Look = std::function<Result<std::string>()>;
  struct Sought {
    const char* field;  ///< of the request, for its GUID
    std::string what;
    std::chrono::seconds limit;
  };
  io::Task<Result<std::string>> wait(Look look, Sought sought, std::string guid);

  io::Executor executor_;
  io::Offload& offload_;
  io::Clock& clock_;
  std::string sysfs_;
};

}  // namespace gcs::network
