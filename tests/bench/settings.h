#pragma once

#include <string>

#include "tests/support/agent.h"

namespace gcs::bench {

/// What the command line of gcs-bench says.
struct Settings {
  testing::AgentSettings agent;
  std::string only;     ///< one section by its name; empty: all of them
  bool minute = false;  ///< the log's rows: a minute each
  bool quick = false;   ///< few repetitions: the figures mean nothing, the paths are the same

  int count(int full, int few) const { return quick ? few : full; }
};

// What tests/in-namespaces prepares.
constexpr const char* kLayer = "/run/layers/busybox";
constexpr const char* kBusybox = "/run/layers/busybox/bin/busybox";

}  // namespace gcs::bench
