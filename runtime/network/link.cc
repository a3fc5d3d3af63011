#include "runtime/network/link.h"

#include <linux/rtnetlink.h>
#include <net/if.h>

#include <cstring>

namespace gcs::network {
namespace {

constexpr int kMaxNumbered = 256;

ifinfomsg info_of(int index) {
  ifinfomsg info{};
  info.ifi_family = AF_UNSPEC;
  info.ifi_index = index;
  return info;
}

Request change_of(int index) {
  return std::move(Request(RTM_NEWLINK).fixed(info_of(index)));
}

std::string at(int index) {
  return "interface " + std::to_string(index);
}

Result<Link> ask(Netlink& netlink, Request request, const std::string& doing) {
  request.attribute(IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
  const auto answer = netlink.get(std::move(request), doing);
  if (!answer) return answer.error();
  if (answer->size() < sizeof(ifinfomsg)) return Error(Errc::internal, doing + ": a cut answer");
  ifinfomsg info{};
  std::memcpy(&info, answer->data(), sizeof info);
  const std::string_view attributes = std::string_view(*answer).substr(sizeof info);
  Link link;
  link.index = info.ifi_index;
  link.up = (info.ifi_flags & IFF_UP) != 0;
  link.mtu = find_u32(attributes, IFLA_MTU).value_or(0);
  const auto name = find_attribute(attributes, IFLA_IFNAME).value_or("");
  link.name = name.substr(0, name.find('\0'));
  return link;
}

}  // namespace

Result<Link> find_link(Netlink& netlink, const std::string& name) {
  if (name.empty() || name.size() >= IFNAMSIZ)
    return Error(Errc::not_found, "interface \"" + name + "\": no such name");
  Request request(RTM_GETLINK);
  request.fixed(info_of(0)).attribute(IFLA_IFNAME, name);
  return ask(netlink, std::move(request), "interface " + name);
}

Result<Link> find_link(Netlink& netlink, int index) {
  Request request(RTM_GETLINK);
  request.fixed(info_of(index));
  return ask(netlink, std::move(request), at(index));
}

Result<> set_link_up(Netlink& netlink, int index, bool up) {
  ifinfomsg info = info_of(index);
  info.ifi_change = IFF_UP;
  info.ifi_flags = up ? IFF_UP : 0;
  Request request(RTM_NEWLINK);
  request.fixed(info);
  return netlink.change(std::move(request), at(index) + (up ? ": set up" : ": set down"));
}

Result<> set_link_mtu(Netlink& netlink, int index, uint32_t mtu) {
  Request request = change_of(index);
  request.attribute(IFLA_MTU, mtu);
  return netlink.change(std::move(request), at(index) + ": set the MTU to " + std::to_string(mtu));
}

Result<> rename_link(Netlink& netlink, int index, const std::string& name) {
  Request request = change_of(index);
  request.attribute(IFLA_IFNAME, name);
  return netlink.change(std::move(request), at(index) + ": rename to " + name);
}

Result<> move_link(Netlink& netlink, int index, const io::Fd& netns, const std::string& name) {
  Request request = change_of(index);
  request.attribute(IFLA_NET_NS_FD, static_cast<uint32_t>(netns.get())).attribute(IFLA_IFNAME, name);
  return netlink.change(std::move(request), at(index) + ": move to another network namespace as " + name);
}

Result<std::string> free_link_name(Netlink& netlink, const std::string& wanted, const std::string& stem) {
  std::string name = wanted;
  for (int number = 0; number < kMaxNumbered; ++number) {
    const auto taken = find_link(netlink, name);
    if (!taken && taken.error().code() == Errc::not_found) return name;
    if (!taken) return taken.error();
    name = stem + std::to_string(number);
  }
  return Error(Errc::exhausted, "all of " + stem + "0 to " + name + " are names of interfaces");
}

}  // namespace gcs::network
