#include "runtime/assigned_devices.h"

#include <set>

#include "runtime/spec_json.h"
#include "runtime/vpci_device.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

constexpr std::chrono::milliseconds kPause{100};
constexpr std::chrono::seconds kDeviceLimit{10};
constexpr std::chrono::seconds kNodeLimit{60};

struct Found {
  bool device = false;
  std::vector<DeviceNode> nodes;
};

Result<Found> look_for(const std::string& guid, const DevicePaths& paths) {
  Found found;
  const auto device = find_vpci_device(guid, paths.vmbus);
  if (!device && device.error().code() == Errc::not_found) return found;
  if (!device) return device.error();
  found.device = true;
  for (DeviceNode& node : devices_below(paths.dev)) {
    if (is_of(node, *device, paths.sys_dev)) found.nodes.push_back(std::move(node));
  }
  return found;
}

/// The ids of the document's devices, GPUs aside, each once.
std::vector<std::string> assigned_ids(const Json& spec) {
  std::vector<std::string> ids;
  std::set<std::string> seen;
  std::string unknown;
  size_t unknown_count = 0;
  for (const Json& device : member(member(spec, "windows"), "devices")) {
    const std::string type = string_member(device, "idType");
    if (type == "vpci" || type == "vpci-instance-id") {
      std::string id = string_member(device, "id");
      if (seen.insert(id).second) ids.push_back(std::move(id));
    } else if (type != "gpu" && ++unknown_count == 1) {
      unknown = type.substr(0, 64);
    }
  }
  if (unknown_count > 0) {
    log::warn("assigned device of an unknown type", {{"type", unknown}, {"count", unknown_count}});
  }
  return ids;
}

}  // namespace

io::Task<Result<std::vector<DeviceNode>>> find_assigned_devices(io::Offload& offload, io::Executor executor,
                                                                io::Clock& clock, const Json& spec, DevicePaths paths) {
  std::vector<DeviceNode> all;
  const auto ids = assigned_ids(spec);
  const auto begin = clock.now();
  for (const std::string& id : ids) {
    for (;;) {
      std::function<Result<Found>()> job = [id, paths] { return look_for(id, paths); };
      auto found = co_await offload.call<Found>(std::move(job));
      if (!found) co_return found.error().within("OciSpecification.windows.devices");
      if (!found->nodes.empty()) {
        all.insert(all.end(), found->nodes.begin(), found->nodes.end());
        break;
      }
      if (clock.now() >=
          begin + (found->device ? io::Clock::Duration(kNodeLimit) : io::Clock::Duration(kDeviceLimit))) {
        co_return Error(Errc::timed_out,
                        "the assigned device " + id + (found->device ? " got no node" : " did not appear"));
      }
      co_await io::sleep_until(executor, clock, clock.now() + kPause);
    }
  }
  co_return all;
}

}  // namespace gcs::runtime
