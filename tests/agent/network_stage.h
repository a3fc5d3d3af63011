#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "tests/agent/stage.h"
#include "tests/support/shell.h"

namespace gcs::testing {

/// Adapters by their GUIDs, and the network namespace of the tests' pod.
constexpr const char* kFirst = "f3a9e1b0-6a1c-4c55-9d0e-0a2b3c4d5e6f";
constexpr const char* kSecond = "0b1c2d3e-6a1c-4c55-9d0e-0a2b3c4d5e6f";
constexpr const char* kThird = "aaaaaaaa-6a1c-4c55-9d0e-0a2b3c4d5e6f";
constexpr const char* kPod = "df0b813f-28c4-4224-837f-de2dcdc2dd85";

using test::has;
using test::sh;

/// Adapters as a hypervisor adds and removes them: one end of a veth, which the VMBus tree in sysfs names by its GUID.
/// The ends at the host have 10.77.<n>.1 and fd77:<n>::1.
class Hypervisor {
 public:
  Hypervisor();
  ~Hypervisor();
  Hypervisor(const Hypervisor&) = delete;
  Hypervisor& operator=(const Hypervisor&) = delete;

  void plug(int number, const std::string& guid, const std::string& name);
  void unplug(int number);
};

/// The settings of a Network request for it: 10.77.<n>.2 and fd77:<n>::2, with routes, DNS and policy routing.
nlohmann::json adapter(int number, const char* guid);

/// What a command of the machine sees in the network of a process; a file as the process sees it.
std::string seen_by(const host::Process& process, const std::string& command);
std::string file_of(const host::Process& process, const std::string& path);

struct NetworkStage : Stage {
  Result<> modify(const char* type, nlohmann::json settings);
  void add(int number, const char* guid);
  void take_away(const char* guid);

  /// Kills a container, and deletes it.
  void end(const host::ContainerSpec& spec);

  Hypervisor hypervisor;
};

}  // namespace gcs::testing
