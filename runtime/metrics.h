#pragma once

#include <nlohmann/json_fwd.hpp>

#include "runtime/cgroup_stats.h"

namespace gcs::runtime {

/// The document that hosts get as "LCOWMetrics": numbers that are 0 are left out, parts that are there stay, be they
/// empty.
nlohmann::json metrics_json(const CgroupStats& stats);

}  // namespace gcs::runtime
