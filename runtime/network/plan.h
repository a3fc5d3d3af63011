#pragma once

#include <string>
#include <vector>

#include "runtime/network/ip.h"
#include "stdio/io/result.h"

/// What a host says of a network adapter, and the list of things to do that it comes to. Values and decisions only.
namespace gcs::network {

struct IpConfig {
  std::string address;
  uint8_t prefix_length = 0;
};

struct RouteConfig {
  std::string next_hop;     ///< empty or unspecified: what is there is reached directly
  std::string destination;  ///< "10.0.0.0/8"; 0.0.0.0/0 and ::/0 are the default routes
  uint16_t metric = 0;
};

/// An adapter as the host describes it (wire.md 8.6): texts, checked by make_plan().
struct AdapterSettings {
  std::string namespace_id;  ///< lower case
  std::string id;            ///< the GUID of its instance, lower case
  std::vector<std::string> search_domains;
  std::vector<std::string> dns_servers;
  uint16_t encap_overhead = 0;  ///< bytes
  bool vpci_assigned = false;   ///< its interface is that of a PCI device
  std::vector<IpConfig> ips;    ///< none: it is configured by DHCP
  std::vector<RouteConfig> routes;
  bool policy_routing = false;  ///< the namespace's first adapter has the main table, others one each
  bool low_metric = false;      ///< the same as the host says it; only looked at without policy_routing
};

/// One thing to do to an interface.
struct Operation {
  enum class Kind { lower_mtu, set_up, add_address, add_rule, run_dhcp, add_route };

  Kind kind;
  uint16_t bytes = 0;      ///< lower_mtu: by how much
  IpPrefix prefix = {};    ///< the address with its subnet, the rule's source, the route's destination
  IpAddress gateway = {};  ///< add_route; unspecified: none
  uint32_t metric = 0;     ///< add_route; 0: the kernel's own
  uint32_t table = 0;      ///< add_route, add_rule; 0: the main one
  bool operator==(const Operation&) const = default;
};

/// As `ip` would be told: "route default via 10.0.0.1 metric 500 table 101".
std::string text_of(const Operation& operation);

inline constexpr uint32_t kRulePriority = 5;
inline constexpr uint32_t kLowMetric = 500;

/// The first routing table of those that adapters get which shall not have the main one: hosts expect this number.
inline constexpr uint32_t kFirstOwnTable = 101;

/// The operations in their order. With a table of its own (0: none) what the adapter's addresses send leaves through
/// it, by a rule each, and its routes are in that table, with a low metric where the host gives none.
/// `invalid_argument` names the field.
Result<std::vector<Operation>> make_plan(const AdapterSettings& settings, uint32_t own_table);

}  // namespace gcs::network
