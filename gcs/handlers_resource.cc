#include <algorithm>
#include <array>

#include "bridge/messages_out.h"
#include "gcs/resources.h"

namespace gcs {
namespace {

using bridge::Body;
using Payload = Result<std::string>;

struct Resource {
  std::string_view type;
  bool of_container;  ///< else of the VM: the request then has the null id
  ResourceTask (*modify)(HandlerContext&, const bridge::ModifySettings&);
};

constexpr std::array kResources = {
    Resource{"SCSIDevice", false, modify_scsi_device},
    Resource{"MappedVirtualDisk", false, modify_mapped_virtual_disk},
    Resource{"MappedDirectory", false, modify_mapped_directory},
    Resource{"VPMemDevice", false, modify_vpmem_device},
    Resource{"CombinedLayers", false, modify_combined_layers},
    Resource{"ContainerConstraints", true, modify_container_constraints},
    Resource{"PodCgroupMemoryLimit", false, modify_pods_memory},
    Resource{"Network", false, modify_network},
    Resource{"VPCIDevice", false, modify_vpci_device},
    Resource{"SecurityPolicy", false, modify_security_policy},
    Resource{"SecurityPolicyFragment", false, modify_policy_fragment},
};

ResourceTask modify_resource(HandlerContext& context, const bridge::ModifySettings& request) {
  const bool of_vm = request.base.container_id == bridge::kNullId;
  const auto* resource = std::find_if(kResources.begin(), kResources.end(),
                                      [&](const Resource& known) { return known.type == request.resource_type; });
  if (resource != kResources.end() && (resource->of_container || of_vm)) {
    co_return co_await resource->modify(context, request);
  }
  if (!of_vm) {
    co_return Error(Errc::unsupported,
                    "the ResourceType \"" + request.resource_type + "\" is not supported for containers");
  }
  co_return Error(Errc::unsupported, "invalid ResourceType '" + request.resource_type + "'");
}

io::Task<Payload> modify(HandlerContext& context, Body body) {
  const auto request = bridge::decode_modify_settings(body);
  if (!request) co_return request.error();
  const auto done = co_await modify_resource(context, *request);
  if (!done) co_return done.error();
  co_return bridge::encode_success(request->base.activity_id);
}

}  // namespace

Error unsupported_request(const bridge::ModifySettings& request) {
  return Error(Errc::unsupported, "the RequestType \"" + request.request_type + "\" is not supported");
}

void serve_resources(HandlerContext& context) {
  context.exchange.dispatch.serve(bridge::MessageType::modify_settings,
                                  [&context](Body body) { return modify(context, std::move(body)); });
}

}  // namespace gcs
