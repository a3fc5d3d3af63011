#include "bridge/messages_network.h"

#include <string_view>

namespace gcs::bridge {
namespace {

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

constexpr size_t kMaxEntries = 1024;

/// The entries of a comma-separated list without the blanks around them; empty ones are nobody's. Of more than
/// kMaxEntries the rest is left: whoever gets as many refuses them, and a request of 16 MiB would make millions.
std::vector<std::string> split(std::string_view list) {
  std::vector<std::string> entries;
  while (!list.empty() && entries.size() < kMaxEntries) {
    const size_t comma = std::min(list.find(','), list.size());
    std::string_view entry = list.substr(0, comma);
    list.remove_prefix(std::min(comma + 1, list.size()));
    const size_t begin = entry.find_first_not_of(" \t");
    if (begin == std::string_view::npos) continue;
    entry = entry.substr(begin, entry.find_last_not_of(" \t") - begin + 1);
    entries.emplace_back(entry);
  }
  return entries;
}

}  // namespace

Result<NetworkAdapter> decode_network(const ModifySettings& modify) {
  Fields fields(modify.settings, "Request.Settings");
  NetworkAdapter adapter;
  adapter.namespace_id = lower_case(fields.string("NamespaceID"));
  adapter.id = lower_case(fields.string("ID"));
  adapter.search_domains = split(fields.string("DNSSuffix"));
  adapter.dns_servers = split(fields.string("DNSServerList"));
  adapter.encap_overhead = fields.u16("EncapOverhead");
  adapter.vpci_assigned = fields.boolean("VPCIAssigned");
  for (Fields& config : fields.objects("IPConfigs")) {
    adapter.ips.push_back({config.string("IPAddress"), config.u8("PrefixLength")});
  }
  for (Fields& route : fields.objects("Routes")) {
    adapter.routes.push_back({route.string("NextHop"), route.string("DestinationPrefix"), route.u16("Metric")});
  }
  adapter.policy_routing = fields.boolean("PolicyBasedRouting");
  adapter.low_metric = fields.boolean("EnableLowMetric");
  return fields.finish(std::move(adapter));
}

Result<VpciDevice> decode_vpci_device(const ModifySettings& modify) {
  Fields fields(modify.settings, "Request.Settings");
  VpciDevice device;
  device.vmbus_guid = lower_case(fields.string("VMBusGUID"));
  return fields.finish(std::move(device));
}

}  // namespace gcs::bridge
