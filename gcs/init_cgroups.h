#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stdio/io/result.h"

namespace gcs {

enum class CgroupVersion { v1, v2 };

/// The names of the enabled controllers in the text of /proc/cgroups.
std::vector<std::string> enabled_controllers(std::string_view proc_cgroups);

/// Mounts /sys/fs/cgroup: version 2 where it has controllers and the kernel runs device programs, with every controller
/// enabled for the root's children; else, or when `force_v1`, one version 1 hierarchy a controller. Version 1 counts
/// memory hierarchically by itself since Linux 5.11, and 5.12 is the least that the agent runs on.
Result<CgroupVersion> mount_cgroups(bool force_v1);

}  // namespace gcs
