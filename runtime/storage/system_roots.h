#pragma once

#include <string>

namespace gcs::storage {

/// Where the kernel shows its devices; tests have trees of their own.
struct SystemRoots {
  std::string sys = "/sys";
  std::string dev = "/dev";
};

}  // namespace gcs::storage
