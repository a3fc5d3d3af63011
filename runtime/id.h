#pragma once

#include <string_view>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// The longest id: it names directories and cgroups, so NAME_MAX.
inline constexpr size_t kMaxIdLength = 255;

/// What requests call the VM itself.
inline constexpr std::string_view kUvmId = "00000000-0000-0000-0000-000000000000";

/// Accepts what both OCI runtimes take and what is safe as a file name: 1 to 255 letters, digits and "_.+-", the first
/// one a letter or digit, and no "..". Else `invalid_argument`, which names the field and quotes nothing of it.
Result<> check_id(std::string_view field, std::string_view id);

/// The same for a container's own, which is not the VM's either.
Result<> check_container_id(std::string_view id);

}  // namespace gcs::runtime
