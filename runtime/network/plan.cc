#include "runtime/network/plan.h"

#include "runtime/network/resolv_conf.h"

namespace gcs::network {
namespace {

using Kind = Operation::Kind;

constexpr size_t kMaxEntries = 1024;  // addresses, routes: each costs system calls

Error bad(const char* list, size_t at, const char* field, const char* why) {
  return Error(Errc::invalid_argument, std::string(list) + "[" + std::to_string(at) + "]." + field + ": " + why);
}

bool is_default(const IpPrefix& destination) {
  return destination.length == 0 && is_unspecified(destination.address);
}

Result<IpPrefix> address_of(const AdapterSettings& settings, size_t at) {
  const IpConfig& config = settings.ips[at];
  const auto address = parse_address(config.address);
  if (!address) return bad("IPConfigs", at, "IPAddress", "not an IP address");
  if (!is_length(*address, config.prefix_length))
    return bad("IPConfigs", at, "PrefixLength", "longer than the address");
  return IpPrefix{*address, config.prefix_length};
}

/// Hosts send default routes without a next hop to say that there is none.
bool says_nothing(const Operation& route) {
  return is_default(route.prefix) && is_unspecified(route.gateway);
}

Result<Operation> route_of(const AdapterSettings& settings, size_t at) {
  const RouteConfig& config = settings.routes[at];
  const auto destination = parse_prefix(config.destination);
  if (!destination) return bad("Routes", at, "DestinationPrefix", "not an IP prefix");
  Operation route{Kind::add_route};
  route.prefix = masked(*destination);
  route.gateway.family = destination->address.family;
  route.metric = config.metric;
  if (config.next_hop.empty()) {
    if (is_default(route.prefix)) return bad("Routes", at, "NextHop", "missing for a default route");
    return route;
  }
  const auto gateway = parse_address(config.next_hop);
  if (!gateway) return bad("Routes", at, "NextHop", "not an IP address");
  if (!is_unspecified(*gateway)) route.gateway = *gateway;
  if (route.gateway.family != route.prefix.address.family) {
    return bad("Routes", at, "NextHop", "not of the destination's family");
  }
  return route;
}

Result<> check_sizes(const AdapterSettings& settings) {
  if (settings.ips.size() > kMaxEntries) return Error(Errc::invalid_argument, "IPConfigs: too many");
  if (settings.routes.size() > kMaxEntries) return Error(Errc::invalid_argument, "Routes: too many");
  return check_dns_sizes(settings.search_domains, settings.dns_servers);
}

}  // namespace

Result<std::vector<Operation>> make_plan(const AdapterSettings& settings, uint32_t own_table) {
  const auto sizes = check_sizes(settings);
  if (!sizes) return sizes.error();
  std::vector<Operation> plan;
  if (settings.encap_overhead != 0) plan.push_back({.kind = Kind::lower_mtu, .bytes = settings.encap_overhead});
  plan.push_back({.kind = Kind::set_up});
  for (size_t i = 0; i < settings.ips.size(); ++i) {
    const auto address = address_of(settings, i);
    if (!address) return address.error();
    plan.push_back({.kind = Kind::add_address, .prefix = *address});
    if (own_table == 0) continue;
    plan.push_back({.kind = Kind::add_rule, .prefix = alone(address->address), .table = own_table});
  }
  if (settings.ips.empty()) plan.push_back({.kind = Kind::run_dhcp});
  for (size_t i = 0; i < settings.routes.size(); ++i) {
    auto route = route_of(settings, i);
    if (!route) return route.error();
    if (says_nothing(*route)) continue;
    if (own_table != 0 && route->metric == 0) route->metric = kLowMetric;
    // Without an address that is known now no rule leads there.
    if (!settings.ips.empty()) route->table = own_table;
    plan.push_back(*route);
  }
  return plan;
}

std::string text_of(const Operation& operation) {
  switch (operation.kind) {
    case Kind::lower_mtu: return "mtu less " + std::to_string(operation.bytes);
    case Kind::set_up: return "up";
    case Kind::add_address: return "address " + text_of(operation.prefix);
    case Kind::add_rule:
      return "rule from " + text_of(operation.prefix) + " table " + std::to_string(operation.table) + " priority " +
             std::to_string(kRulePriority);
    case Kind::run_dhcp: return "dhcp";
    case Kind::add_route: break;
  }
  std::string text = "route " + (is_default(operation.prefix) ? "default" : text_of(operation.prefix));
  if (!is_unspecified(operation.gateway)) text += " via " + text_of(operation.gateway);
  if (operation.metric != 0) text += " metric " + std::to_string(operation.metric);
  if (operation.table != 0) text += " table " + std::to_string(operation.table);
  return text;
}

}  // namespace gcs::network
