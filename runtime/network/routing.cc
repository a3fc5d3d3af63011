#include "runtime/network/routing.h"

#include <linux/fib_rules.h>
#include <linux/rtnetlink.h>

namespace gcs::network {
namespace {

constexpr uint16_t kFresh = NLM_F_CREATE | NLM_F_EXCL;

Request address_request(uint16_t type, uint16_t flags, int index, const IpPrefix& address) {
  ifaddrmsg message{};
  message.ifa_family = static_cast<uint8_t>(address.address.family);
  message.ifa_prefixlen = address.length;
  message.ifa_index = static_cast<uint32_t>(index);
  message.ifa_scope = RT_SCOPE_UNIVERSE;
  Request request(type, flags);
  request.fixed(message);
  request.attribute(IFA_LOCAL, address.address.bytes.data(), address.address.size());
  request.attribute(IFA_ADDRESS, address.address.bytes.data(), address.address.size());
  return request;
}

/// For IPv4 subnets that have one: the kernel makes none up, and programs ask for it (SIOCGIFBRDADDR).
void add_broadcast(Request& request, const IpPrefix& address) {
  if (address.address.family != AF_INET || address.length >= 31) return;
  IpAddress broadcast = address.address;
  for (unsigned bit = address.length; bit < 32; ++bit)
    broadcast.bytes[bit / 8] |= static_cast<uint8_t>(0x80 >> bit % 8);
  request.attribute(IFA_BROADCAST, broadcast.bytes.data(), broadcast.size());
}

Request rule_request(uint16_t type, uint16_t flags, const IpPrefix& source, uint32_t table, uint32_t priority) {
  fib_rule_hdr rule{};
  rule.family = static_cast<uint8_t>(source.address.family);
  rule.src_len = source.length;
  rule.action = FR_ACT_TO_TBL;
  rule.table = RT_TABLE_UNSPEC;  // in the attribute, which has room for all
  Request request(type, flags);
  request.fixed(rule);
  request.attribute(FRA_SRC, source.address.bytes.data(), source.address.size());
  request.attribute(FRA_TABLE, table).attribute(FRA_PRIORITY, priority);
  return request;
}

Request route_request(const Route& route, unsigned flags) {
  const bool direct = is_unspecified(route.gateway);
  rtmsg message{};
  message.rtm_family = static_cast<uint8_t>(route.destination.address.family);
  message.rtm_dst_len = route.destination.length;
  message.rtm_table = RT_TABLE_UNSPEC;
  message.rtm_protocol = RTPROT_BOOT;
  message.rtm_scope = direct && route.destination.address.family == AF_INET ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
  message.rtm_type = RTN_UNICAST;
  message.rtm_flags = flags;
  Request request(RTM_NEWROUTE, kFresh);
  request.fixed(message);
  if (route.destination.length > 0) {
    request.attribute(RTA_DST, route.destination.address.bytes.data(), route.destination.address.size());
  }
  if (!direct) request.attribute(RTA_GATEWAY, route.gateway.bytes.data(), route.gateway.size());
  if (route.metric != 0) request.attribute(RTA_PRIORITY, route.metric);
  request.attribute(RTA_OIF, static_cast<uint32_t>(route.index));
  request.attribute(RTA_TABLE, route.table == 0 ? static_cast<uint32_t>(RT_TABLE_MAIN) : route.table);
  return request;
}

}  // namespace

Result<> add_address(Netlink& netlink, int index, const IpPrefix& address) {
  Request request = address_request(RTM_NEWADDR, kFresh, index, address);
  add_broadcast(request, address);
  return netlink.change(std::move(request), "add the address");
}

Result<> delete_address(Netlink& netlink, int index, const IpPrefix& address) {
  return netlink.change(address_request(RTM_DELADDR, 0, index, address), "delete the address");
}

Result<> add_rule(Netlink& netlink, const IpPrefix& source, uint32_t table, uint32_t priority) {
  return netlink.change(rule_request(RTM_NEWRULE, kFresh, source, table, priority), "add the rule");
}

Result<> delete_rule(Netlink& netlink, const IpPrefix& source, uint32_t table, uint32_t priority) {
  return netlink.change(rule_request(RTM_DELRULE, 0, source, table, priority), "delete the rule");
}

Result<> add_route(Netlink& netlink, const Route& route) {
  const auto added = netlink.change(route_request(route, 0), "add the route");
  if (added || is_unspecified(route.gateway)) return added;
  const int reason = added.error().sys_errno();
  if (reason != ENETUNREACH && reason != EHOSTUNREACH) return added;  // the latter is what IPv6 says
  return netlink.change(route_request(route, RTNH_F_ONLINK), "add the route");
}

}  // namespace gcs::network
