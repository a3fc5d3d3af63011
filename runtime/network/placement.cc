#include "runtime/network/placement.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <optional>

#include "runtime/network/link.h"
#include "runtime/network/routing.h"
#include "stdio/io/log.h"

namespace gcs::network {
namespace {

constexpr const char* kOwnNetns = "/proc/thread-self/ns/net";
constexpr const char* kStem = "eth";
constexpr const char* kStaleStem = "stale";

Result<Netlink> open_at(const NetnsPtr& netns) {
  return netns == nullptr ? Netlink::open() : Netlink::open_in(*netns);
}

/// An interface that stands in the way of one that comes, and what it takes to put it back.
struct Displaced {
  Link link;
  bool moved = false;
};

void put_back(Netlink& there, const Displaced& displaced) {
  if (!displaced.moved) return;
  discard(rename_link(there, displaced.link.index, displaced.link.name), "undoing");
  if (displaced.link.up) discard(set_link_up(there, displaced.link.index, true), "undoing");
}

Result<Displaced> displace(Netlink& there, const Link& stale) {
  Displaced displaced{stale};
  const auto name = free_link_name(there, std::string(kStaleStem) + "0", kStaleStem);
  if (!name) return name.error();
  const auto down = set_link_up(there, stale.index, false);
  if (!down) return down.error();
  displaced.moved = true;
  const auto renamed = rename_link(there, stale.index, *name);
  if (!renamed) {
    if (stale.up) discard(set_link_up(there, stale.index, true), "undoing");
    return renamed.error();
  }
  log::warn("a stale interface makes way", {{"name", stale.name}, {"now", *name}});
  return displaced;
}

/// The name that an interface shall have there, whose way is free then.
struct Berth {
  std::string name;
  Displaced displaced;
};

Result<Berth> make_way(Netlink& there, const std::string& wanted, const std::vector<int>& ours) {
  Berth berth{wanted, {}};
  const auto holder = find_link(there, wanted);
  if (!holder) {
    if (holder.error().code() != Errc::not_found) return holder.error();
    return berth;
  }
  if (std::find(ours.begin(), ours.end(), holder->index) != ours.end()) {
    auto name = free_link_name(there, wanted, kStem);
    if (!name) return name.error();
    berth.name = std::move(*name);
    return berth;
  }
  const auto displaced = displace(there, *holder);
  if (!displaced) return displaced.error();
  berth.displaced = *displaced;
  return berth;
}

Result<Placement> move_in(Netlink& here, const Link& link, const NetnsPtr& netns, const std::vector<int>& ours) {
  auto there = Netlink::open_in(*netns);
  if (!there) return there.error();
  const auto berth = make_way(*there, link.name, ours);
  if (!berth) return berth.error();
  const auto down = set_link_up(here, link.index, false);
  auto moved = down ? move_link(here, link.index, *netns, berth->name) : down;
  if (!moved) {
    put_back(*there, berth->displaced);
    return moved.error();
  }
  const auto arrived = find_link(*there, berth->name);
  if (!arrived) return arrived.error();
  Placement placement;
  placement.netns = netns;
  placement.index = arrived->index;
  placement.name = arrived->name;
  placement.mtu = link.mtu;
  return placement;
}

Result<> lower_mtu(Netlink& netlink, const Placement& placement, uint16_t bytes) {
  if (bytes >= placement.mtu) {
    return Error(Errc::invalid_argument, "EncapOverhead: not below the MTU of " + std::to_string(placement.mtu));
  }
  return set_link_mtu(netlink, placement.index, placement.mtu - bytes);
}

Result<> apply(Netlink& netlink, const Placement& placement, const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::lower_mtu: return lower_mtu(netlink, placement, operation.bytes);
    case Operation::Kind::set_up: return set_link_up(netlink, placement.index, true);
    case Operation::Kind::add_address: return add_address(netlink, placement.index, operation.prefix);
    case Operation::Kind::add_rule: return add_rule(netlink, operation.prefix, operation.table, kRulePriority);
    case Operation::Kind::run_dhcp: break;  // the caller's
    case Operation::Kind::add_route:
      return add_route(netlink,
                       {placement.index, operation.prefix, operation.gateway, operation.metric, operation.table});
  }
  return {};
}

/// Routes go with the link's being down, and so do those that DHCP has made.
Result<> revert(Netlink& netlink, const Placement& placement, const Operation& operation) {
  switch (operation.kind) {
    case Operation::Kind::lower_mtu: return set_link_mtu(netlink, placement.index, placement.mtu);
    case Operation::Kind::set_up: return set_link_up(netlink, placement.index, false);
    case Operation::Kind::add_address: return delete_address(netlink, placement.index, operation.prefix);
    case Operation::Kind::add_rule: return delete_rule(netlink, operation.prefix, operation.table, kRulePriority);
    case Operation::Kind::run_dhcp:
    case Operation::Kind::add_route: break;
  }
  return {};
}

/// Somebody else has done it: the interface or the rule is gone.
bool is_undone(const Error& error) {
  return error.code() == Errc::not_found || error.sys_errno() == EADDRNOTAVAIL;
}

Result<> bring_home(Netlink& there, int index) {
  const auto link = find_link(there, index);
  if (!link) return link.error();
  const auto down = set_link_up(there, index, false);
  if (!down) return down;
  auto here = Netlink::open();
  if (!here) return here.error();
  const auto home = io::open_file(kOwnNetns, O_RDONLY);
  if (!home) return home.error();
  const auto name = free_link_name(*here, link->name, kStem);
  if (!name) return name.error();
  return move_link(there, index, *home, *name);
}

}  // namespace

Result<NetnsPtr> netns_of(pid_t pid) {
  auto theirs = io::open_file("/proc/" + std::to_string(pid) + "/ns/net", O_RDONLY);
  if (!theirs) return theirs.error().within("the network namespace of process " + std::to_string(pid));
  struct stat own {
  }, other{};
  if (::stat(kOwnNetns, &own) != 0) return sys_error("our network namespace");
  if (::fstat(theirs->get(), &other) != 0) return sys_error("the network namespace of a process");
  if (own.st_dev == other.st_dev && own.st_ino == other.st_ino) return NetnsPtr();
  return NetnsPtr(std::make_shared<const io::Fd>(std::move(*theirs)));
}

Result<Placement> place(const std::string& name, const NetnsPtr& netns, const std::vector<int>& ours) {
  auto here = Netlink::open();
  if (!here) return here.error();
  const auto link = find_link(*here, name);
  if (!link) return link.error();
  if (netns != nullptr) return move_in(*here, *link, netns, ours);
  Placement placement;
  placement.index = link->index;
  placement.name = link->name;
  placement.mtu = link->mtu;
  return placement;
}

Result<> configure(Placement& placement, std::span<const Operation> operations) {
  auto netlink = open_at(placement.netns);
  if (!netlink) return netlink.error();
  for (const Operation& operation : operations) {
    const auto applied = apply(*netlink, placement, operation);
    if (!applied) return applied.error().within(text_of(operation));
    placement.done.push_back(operation);
  }
  return {};
}

Result<> withdraw(const Placement& placement) {
  auto netlink = open_at(placement.netns);
  if (!netlink) return netlink.error();
  std::optional<Error> failure;
  const auto note = [&failure](const Result<>& result) {
    if (!result && !failure && !is_undone(result.error())) failure = result.error();
  };
  for (auto operation = placement.done.rbegin(); operation != placement.done.rend(); ++operation) {
    note(revert(*netlink, placement, *operation));
  }
  if (placement.netns != nullptr) note(bring_home(*netlink, placement.index));
  if (failure) return *failure;
  return {};
}

}  // namespace gcs::network
