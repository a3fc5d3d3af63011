#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::testing {

struct AgentSettings {
  std::string binary;
  std::string runtime;             ///< path of the OCI runtime
  std::string engine = "uring";    ///< as the flag -io takes it
  std::vector<std::string> flags;  ///< further ones
};

// Where the host listens and the agent logs, inside the namespaces that tests/in-namespaces makes.
constexpr const char* kAgentTransport = "unix:/run/vm";
constexpr const char* kAgentLog = "/run/gcs.log";

struct Footprint {
  uint64_t rss_kib = 0;
  uint64_t pss_kib = 0;
  uint64_t threads = 0;
};

/// What an agent holds of the machine, counted.
struct Holdings {
  size_t descriptors = 0;
  size_t children = 0;  ///< zombies too
  size_t mounts = 0;
  size_t cgroups = 0;
  size_t namespaces = 0;  ///< of all kinds, that any process is in
  bool operator==(const Holdings&) const = default;
};

/// A running agent, seen from outside. Killed when it goes, unless stop() ended it before.
class Agent {
 public:
  static Result<Agent> start(const AgentSettings& settings);
  Agent(Agent&& other) noexcept;
  Agent& operator=(Agent&&) = delete;
  ~Agent();

  pid_t pid() const { return pid_; }
  Result<Footprint> footprint() const;
  Holdings holdings() const;

  /// It was built with ASan.
  bool sanitized() const;

  /// Its loop sleeps: nothing is between a decision and the system call that follows.
  bool idle() const;

  /// Its /proc/PID/mountinfo.
  std::string mounts() const;

  /// CPU time of all its threads so far, by the scheduler's own count.
  std::chrono::nanoseconds cpu() const;

  /// SIGTERM; an error unless it ends with status 0 within 20 s. Blocks.
  Result<> stop();

 private:
  explicit Agent(pid_t pid) : pid_(pid) {}
  int collect();

  pid_t pid_;
};

}  // namespace gcs::testing
