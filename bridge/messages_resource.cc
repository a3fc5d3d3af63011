#include "bridge/messages_resource.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace gcs::bridge {

namespace {

constexpr std::array<std::string_view, 10> kTypesWithSettings = {
    "SCSIDevice", "MappedVirtualDisk", "MappedDirectory",      "VPMemDevice",    "CombinedLayers",
    "Network",    "VPCIDevice",        "ContainerConstraints", "SecurityPolicy", "SecurityPolicyFragment"};

bool needs_settings(std::string_view type) {
  return std::find(kTypesWithSettings.begin(), kTypesWithSettings.end(), type) != kTypesWithSettings.end();
}

}  // namespace

Result<GetProperties> decode_get_properties(const Body& body) {
  if (body.failure) return *body.failure;
  Fields fields(body.document);
  GetProperties get;
  get.base = body.base;
  const bool asks = !fields.string("Query").empty();
  if (asks) get.types = fields.embedded("Query").strings("PropertyTypes");
  return fields.finish(std::move(get));
}

Result<ModifySettings> decode_modify_settings(const Body& body) {
  if (body.failure) return *body.failure;
  Fields fields(body.document);
  if (!fields.has("Request")) return Error(Errc::malformed, "missing Request");
  Fields request = fields.object("Request");

  ModifySettings modify;
  modify.base = body.base;
  modify.request_type = request.string("RequestType");
  if (modify.request_type.empty()) modify.request_type = "Add";
  modify.resource_type = request.string("ResourceType");
  modify.settings = request.any("Settings");
  if (!fields.failure() && needs_settings(modify.resource_type) && !modify.settings)
    return Error(Errc::malformed, "missing Settings");
  return fields.finish(std::move(modify));
}

}  // namespace gcs::bridge
