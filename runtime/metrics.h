#pragma once

#include <string>

#include "runtime/cgroup_stats.h"

namespace gcs::runtime {

/// The document that hosts get as "LCOWMetrics", as JSON text with its members in the order that behaviour.md 12 lists:
/// numbers that are 0 are left out, parts that are there stay, be they empty.
std::string metrics_text(const CgroupStats& stats);

}  // namespace gcs::runtime
