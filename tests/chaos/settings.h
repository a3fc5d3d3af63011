#pragma once

#include "tests/support/agent.h"

namespace gcs::chaos {

/// The command line.
struct Settings {
  testing::AgentSettings agent;
  int cuts = 100;
  uint64_t seed = 1;
  int in_flight = 64;     ///< of the storm
  int storm_seconds = 0;  ///< the storm instead of the cuts, for so long
  bool verbose = false;   ///< each cut is printed
};

}  // namespace gcs::chaos
