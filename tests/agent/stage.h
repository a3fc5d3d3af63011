#pragma once

#include <string>
#include <vector>

#include "tests/host/container.h"
#include "tests/host/local_host.h"
#include "tests/support/agent.h"
#include "tests/support/loop.h"

namespace gcs::testing {

/// The agent's binary, its OCI runtime and its I/O engine, as $GCS, $RUNTIME and $IO name them.
AgentSettings settings_from_environment();

/// A live agent and a host that has negotiated with it, in the namespaces that tests/in-namespaces makes. At the end
/// the agent must stop in order.
struct Stage {
  explicit Stage(const AgentSettings& settings = settings_from_environment());
  ~Stage();

  /// One request; the answer may say failure.
  nlohmann::json ask(host::Message message, nlohmann::json body);

  /// What the agent holds once it is quiet.
  Holdings holdings();

  /// The text of a failed answer; empty when it says success.
  std::string refusal(host::Message message, nlohmann::json body);

  /// Layers, Create and Start of a busybox container; the process is its init.
  std::unique_ptr<host::Process> run(const host::ContainerSpec& spec, host::Streams streams = {false, false, false});

  /// Waits for the exit of a container, and deletes it with its layers.
  void remove(const host::ContainerSpec& spec);

  Loop loop;
  Agent agent;
  host::LocalHost host;
};

host::ContainerSpec busybox(std::vector<std::string> args);
host::Command command(std::vector<std::string> args);

}  // namespace gcs::testing
