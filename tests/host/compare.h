#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tests/host/json_value.h"

namespace gcs::host {

/// Pids and ports of a recording, and what stands for them now.
using NumberMap = std::map<int64_t, int64_t>;

/// What a live answer to `request` (or a live notification) says otherwise than the recorded one, one sentence each.
/// What may vary is listed as data in compare.cc, with the reasons.
std::vector<std::string> differences(uint32_t request, const json& recorded, const json& live, const NumberMap& pids);

}  // namespace gcs::host
