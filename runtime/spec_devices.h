#pragma once

#include <nlohmann/json_fwd.hpp>
#include <vector>

#include "runtime/device_node.h"

/// Devices in a specification: the nodes that a container gets, and what its device cgroup allows.
namespace gcs::runtime {

/// Allows a device, in the words of the device cgroup: "rwm", or "r".
void allow_device(nlohmann::json& spec, const DeviceNode& node, const char* access);

/// Adds a node, in place of one with the same path, and allows it.
void add_device(nlohmann::json& spec, const DeviceNode& node);

/// Gives each device that the document names the type, numbers and owner that the VM's node of this path has, and
/// allows it. One that is not there is an error that names the field. Blocking, briefly.
Result<> take_devices_of_vm(nlohmann::json& spec);

/// For a privileged container: every device of the VM, and leave to use whatever device there is.
void add_all_devices(nlohmann::json& spec, const std::vector<DeviceNode>& nodes);

}  // namespace gcs::runtime
