#pragma once

#include <string>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::runtime {

inline constexpr size_t kMaxLayers = 500;  ///< OVL_MAX_STACK

struct Overlay {
  std::vector<std::string> lower;  ///< the topmost first; two at least where there is no upper
  std::string upper;               ///< empty: read-only
  std::string work;
};

/// Mounts an overlay at `target`. Blocking.
Result<> mount_overlay(const Overlay& overlay, const std::string& target);

}  // namespace gcs::runtime
