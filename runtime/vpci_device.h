#pragma once

#include <string>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// The PCI device behind an instance id of the hypervisor's bus, as a path without links:
/// /sys/bus/vmbus/devices/GUID/pciDDDD:BB/DDDD:BB:SS.F. `vmbus` is that bus's directory. `not_found` until it is there,
/// `internal` for several, `invalid_argument` for an id that is no GUID. Blocking, briefly.
Result<std::string> find_vpci_device(const std::string& guid, const std::string& vmbus = "/sys/bus/vmbus/devices");

}  // namespace gcs::runtime
