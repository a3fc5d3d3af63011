#pragma once

#include "runtime/network/netlink.h"

/// Network interfaces of the namespace that a socket is of. Blocking.
namespace gcs::network {

struct Link {
  int index = 0;  ///< may change when it moves
  std::string name;
  uint32_t mtu = 0;
  bool up = false;
};

/// `not_found` where there is none.
Result<Link> find_link(Netlink& netlink, const std::string& name);
Result<Link> find_link(Netlink& netlink, int index);

Result<> set_link_up(Netlink& netlink, int index, bool up);
Result<> set_link_mtu(Netlink& netlink, int index, uint32_t mtu);

/// The interface should be down: older kernels rename no other.
Result<> rename_link(Netlink& netlink, int index, const std::string& name);

/// Moves an interface that is down into a namespace, where it has `name`. What it had of addresses and routes is gone.
Result<> move_link(Netlink& netlink, int index, const io::Fd& netns, const std::string& name);

/// `wanted`, or where that is taken the first of <stem>0, <stem>1, … that is not; `exhausted` after 256 of them.
Result<std::string> free_link_name(Netlink& netlink, const std::string& wanted, const std::string& stem);

}  // namespace gcs::network
