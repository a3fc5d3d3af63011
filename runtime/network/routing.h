#pragma once

#include "runtime/network/ip.h"
#include "runtime/network/netlink.h"

/// Addresses, rules and routes of the namespace that a socket is of. Blocking.
namespace gcs::network {

Result<> add_address(Netlink& netlink, int index, const IpPrefix& address);
Result<> delete_address(Netlink& netlink, int index, const IpPrefix& address);

/// What `source` sends is routed by `table`.
Result<> add_rule(Netlink& netlink, const IpPrefix& source, uint32_t table, uint32_t priority);
Result<> delete_rule(Netlink& netlink, const IpPrefix& source, uint32_t table, uint32_t priority);

struct Route {
  int index = 0;
  IpPrefix destination;
  IpAddress gateway;    ///< unspecified: none
  uint32_t metric = 0;  ///< 0: the kernel's own
  uint32_t table = 0;   ///< 0: the main one
};

/// A gateway that none of the interface's subnets holds is taken to be on its link all the same.
Result<> add_route(Netlink& netlink, const Route& route);

}  // namespace gcs::network
