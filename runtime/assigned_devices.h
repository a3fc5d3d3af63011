#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "runtime/device_node.h"
#include "stdio/io/offload.h"

namespace gcs::runtime {

/// Where the kernel shows devices; elsewhere in tests.
struct DevicePaths {
  std::string vmbus = "/sys/bus/vmbus/devices";
  std::string sys_dev = "/sys/dev";
  std::string dev = "/dev";
};

/// The nodes of the devices that a document's windows.devices assigns by an id of the hypervisor's bus; GPUs are found
/// by spec_gpu, what is of another type is passed over. Nothing announces that a driver has made its nodes, so they are
/// looked for every 100 ms: 10 s for the device itself, 60 s for its first node. Then it is `timed_out`.
io::Task<Result<std::vector<DeviceNode>>> find_assigned_devices(io::Offload& offload, io::Executor executor,
                                                                io::Clock& clock, const nlohmann::json& spec,
                                                                DevicePaths paths);

}  // namespace gcs::runtime
