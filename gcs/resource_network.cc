#include "bridge/messages_network.h"
#include "gcs/resources.h"
#include "runtime/network/network.h"

namespace gcs {
namespace {

network::AdapterSettings settings_of(bridge::NetworkAdapter&& from) {
  network::AdapterSettings to;
  to.namespace_id = std::move(from.namespace_id);
  to.id = std::move(from.id);
  to.search_domains = std::move(from.search_domains);
  to.dns_servers = std::move(from.dns_servers);
  to.encap_overhead = from.encap_overhead;
  to.vpci_assigned = from.vpci_assigned;
  for (auto& one : from.ips) to.ips.push_back({std::move(one.address), one.prefix_length});
  for (auto& one : from.routes) {
    to.routes.push_back({std::move(one.next_hop), std::move(one.destination), one.metric});
  }
  to.policy_routing = from.policy_routing;
  to.low_metric = from.low_metric;
  return to;
}

}  // namespace

/// An adapter into a network namespace, or out of it.
ResourceTask modify_network(HandlerContext& context, const bridge::ModifySettings& request) {
  auto adapter = bridge::decode_network(request);
  if (!adapter) co_return adapter.error();
  if (request.request_type == "Add") {
    auto settings = settings_of(std::move(*adapter));
    co_return co_await context.network.namespaces.add(std::move(settings));
  }
  if (request.request_type == "Remove") {
    co_await context.network.namespaces.remove(std::move(adapter->namespace_id), std::move(adapter->id));
    co_return Result<>();
  }
  co_return unsupported_request(request);
}

/// The device is there once its directory is; hosts then create the container that uses it, and never send a Remove.
ResourceTask modify_vpci_device(HandlerContext& context, const bridge::ModifySettings& request) {
  auto device = bridge::decode_vpci_device(request);
  if (!device) co_return device.error();
  if (request.request_type != "Add") co_return unsupported_request(request);
  const auto path = co_await context.network.devices.pci_path_of(std::move(device->vmbus_guid));
  if (!path) co_return path.error();
  co_return Result<>();
}

}  // namespace gcs
