#pragma once

#include <string>
#include <vector>

namespace gcs::storage {

/// A host's words for a mount as mount(2) wants them.
struct MountOptions {
  unsigned long flags = 0;                 ///< MS_RDONLY, MS_NOEXEC and the like
  std::vector<unsigned long> propagation;  ///< MS_SHARED and the like, each a mount(2) of its own, in order
  std::vector<std::string> unknown;        ///< words that mean nothing here, each once
};

/// The last of two words that contradict each other wins.
MountOptions parse_mount_options(const std::vector<std::string>& words);

}  // namespace gcs::storage
