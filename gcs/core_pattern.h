#pragma once

#include <string>

#include "stdio/io/result.h"

namespace gcs {

/// Where the kernel writes cores of all processes, containers' too (core(5)). An empty pattern leaves it as it is. That
/// it cannot be written is fatal at the start, as with the Go GCS: who asks for cores wants none lost.
Result<> set_core_pattern(const std::string& pattern, const std::string& file = "/proc/sys/kernel/core_pattern");

}  // namespace gcs
