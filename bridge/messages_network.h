#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bridge/messages_resource.h"

/// The settings of the resource types Network and VPCIDevice (wire.md 8.6, 8.7). Ids are given in lower case: hosts
/// compare them so. Addresses are not looked at here.
namespace gcs::bridge {

struct NetworkAdapter {
  struct IpConfig {
    std::string address;
    uint8_t prefix_length = 0;
  };
  struct Route {
    std::string next_hop;
    std::string destination;
    uint16_t metric = 0;
  };

  std::string namespace_id;
  std::string id;
  std::vector<std::string> search_domains;  ///< DNSSuffix, split and trimmed; no more than 1024 of them
  std::vector<std::string> dns_servers;     ///< DNSServerList, the same
  uint16_t encap_overhead = 0;
  bool vpci_assigned = false;
  std::vector<IpConfig> ips;
  std::vector<Route> routes;
  bool policy_routing = false;
  bool low_metric = false;
};

struct VpciDevice {
  std::string vmbus_guid;
};

Result<NetworkAdapter> decode_network(const ModifySettings& modify);
Result<VpciDevice> decode_vpci_device(const ModifySettings& modify);

}  // namespace gcs::bridge
