#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "stdio/io/result.h"

/// Device nodes of the VM. Blocking, briefly.
namespace gcs::runtime {

struct DeviceNode {
  std::string path;
  char type = 'c';  ///< 'c' or 'b'
  uint32_t major = 0;
  uint32_t minor = 0;
  uint32_t uid = 0;
  uint32_t gid = 0;
};

/// What stands at `path`, itself and not where a link leads: `invalid_argument` for what is no device.
Result<DeviceNode> device_at(const std::string& path);

/// Every device below `dir`, which is /dev but in tests; without consoles, ptys and what else each container has of its
/// own. At most 4096.
std::vector<DeviceNode> devices_below(const std::string& dir);

/// Whether sysfs puts the device at or below `device_dir` (a path without links), as seen in `sys_dev`: /sys/dev.
bool is_of(const DeviceNode& node, const std::string& device_dir, const std::string& sys_dev);

}  // namespace gcs::runtime
