#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::runtime {

inline constexpr size_t kMaxMountTable = 64u << 20;  ///< bytes: 300,000 mounts; the kernel allows 100,000

/// The mount points at and below `dir` in a text of /proc/PID/mountinfo, in its order: parents first.
std::vector<std::string> mount_points_in(std::string_view mountinfo, const std::string& dir);

/// Unmounts everything at and below `dir`, a clean path. What is in use is taken out of sight (MNT_DETACH) and logged.
/// Blocking.
Result<> unmount_tree(const std::string& dir);

}  // namespace gcs::runtime
