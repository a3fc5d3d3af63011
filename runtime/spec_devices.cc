#include "runtime/spec_devices.h"

#include "runtime/spec_json.h"

namespace gcs::runtime {
namespace {

Json& device_rules(Json& spec) {
  return array_member(object_member(object_member(spec, "linux"), "resources"), "devices");
}

void fill_in(Json& device, const DeviceNode& node) {
  device["path"] = node.path;
  device["type"] = std::string(1, node.type);
  device["major"] = node.major;
  device["minor"] = node.minor;
  device["uid"] = node.uid;
  device["gid"] = node.gid;
}

void put_node(Json& spec, const DeviceNode& node) {
  Json& devices = array_member(object_member(spec, "linux"), "devices");
  for (Json& device : devices) {
    if (string_member(device, "path") == node.path) return fill_in(device, node);
  }
  Json device = Json::object();
  fill_in(device, node);
  devices.push_back(std::move(device));
}

}  // namespace

void allow_device(Json& spec, const DeviceNode& node, const char* access) {
  Json rule = Json::object();
  rule["allow"] = true;
  rule["type"] = std::string(1, node.type);
  rule["major"] = node.major;
  rule["minor"] = node.minor;
  rule["access"] = access;
  device_rules(spec).push_back(std::move(rule));
}

void add_device(Json& spec, const DeviceNode& node) {
  put_node(spec, node);
  allow_device(spec, node, "rwm");
}

Result<> take_devices_of_vm(Json& spec) {
  const Json named = member(member(spec, "linux"), "devices");
  if (!named.is_array()) return {};
  for (size_t i = 0; i < named.size(); ++i) {
    const auto node = device_at(string_member(named[i], "path"));
    if (!node) return node.error().within("OciSpecification.linux.devices[" + std::to_string(i) + "].path");
    add_device(spec, *node);
  }
  return {};
}

void add_all_devices(Json& spec, const std::vector<DeviceNode>& nodes) {
  for (const DeviceNode& node : nodes) put_node(spec, node);
  Json rule = Json::object();
  rule["allow"] = true;
  rule["access"] = "rwm";
  device_rules(spec) = Json::array({std::move(rule)});
}

}  // namespace gcs::runtime
