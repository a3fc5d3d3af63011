// Interfaces, addresses and routes for real, in network namespaces of the tests' own: needs root.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <thread>

#include "runtime/dhcp.h"
#include "runtime/network/device_lookup.h"
#include "runtime/network/link.h"
#include "runtime/network/placement.h"
#include "runtime/network/routing.h"
#include "stdio/io/log.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/shell.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace gcs::network;
using test::has;
using test::put_dir;
using test::sh;
using test::TempDir;

NetnsPtr new_netns() {
  io::Fd made;
  std::thread([&made] {
    if (::unshare(CLONE_NEWNET) == 0) made = io::Fd(::open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC));
  }).join();
  REQUIRE(made);
  return std::make_shared<const io::Fd>(std::move(made));
}

/// The VM's namespace, which is this process's own from then on, and a pod's. What a host
/// would have hot-added is one end of a veth pair.
struct House {
  House() {
    log::mute(true);
    REQUIRE(::unshare(CLONE_NEWNET) == 0);
    sh("ip link set lo up");
    pod = new_netns();
  }
  /// Gives the name of the host's end.
  std::string hot_add(const std::string& name) {
    const std::string peer = "host" + std::to_string(added++);
    sh("ip link add " + name + " type veth peer name " + peer);
    return peer;
  }

  /// A command in the pod's namespace.
  std::string in_pod(const std::string& command) const {
    const std::string path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(pod->get());
    return sh("nsenter --net=" + path + " " + command);
  }

  std::vector<Operation> plan(const char* address, const char* gateway = nullptr, uint32_t table = 0) {
    AdapterSettings settings;
    const auto prefix = parse_prefix(address);
    settings.ips = {{text_of(prefix->address), prefix->length}};
    if (gateway != nullptr) settings.routes = {{gateway, has(gateway, ":") ? "::/0" : "0.0.0.0/0", 0}};
    return *make_plan(settings, table);
  }

  Placement installed(const std::string& name, const std::vector<Operation>& operations, std::vector<int> ours = {}) {
    auto placed = place(name, pod, ours);
    REQUIRE_MESSAGE(placed, placed.error().message());
    const auto configured = configure(*placed, operations);
    REQUIRE_MESSAGE(configured, configured.error().message());
    return *placed;
  }

  NetnsPtr pod;
  int added = 0;
};

constexpr const char* kGuid = "f3a9e1b0-6a1c-4c55-9d0e-0a2b3c4d5e6f";

}  // namespace

TEST_CASE("netlink: a refusal of the kernel is its errno, and its sentence too") {
  House house;
  auto netlink = Netlink::open();
  REQUIRE(netlink);
  house.hot_add("eth0");
  const auto link = find_link(*netlink, "eth0");
  REQUIRE(link);
  CHECK(link->name == "eth0");
  CHECK(link->mtu == 1500);
  CHECK_FALSE(link->up);
  CHECK(find_link(*netlink, link->index)->name == "eth0");
  CHECK(find_link(*netlink, "eth7").error().code() == Errc::not_found);
  CHECK(find_link(*netlink, "a name that is longer than any").error().code() == Errc::not_found);
  const auto address = *parse_prefix("10.0.0.5/24");
  CHECK(add_address(*netlink, 4711, address).error().code() == Errc::not_found);
  REQUIRE(add_address(*netlink, link->index, address));
  CHECK(add_address(*netlink, link->index, address).error().code() == Errc::already_exists);
  const auto mtu = set_link_mtu(*netlink, link->index, 10);
  REQUIRE_FALSE(mtu);
  CHECK(has(mtu.error().message(), "set the MTU to 10"));
  CHECK(has(mtu.error().message(), "("));  // the kernel's own words
}

TEST_CASE("netlink: no errno means that the host is gone") {
  for (int number = 1; number < 134; ++number) CHECK(error_of("x", number).code() != Errc::disconnected);
}

TEST_CASE("netlink: a socket in another namespace leaves its caller where it is") {
  House house;
  house.hot_add("eth0");
  auto there = Netlink::open_in(*house.pod);
  REQUIRE(there);
  CHECK(find_link(*there, "eth0").error().code() == Errc::not_found);
  auto here = Netlink::open();
  CHECK(find_link(*here, "eth0"));
  const TempDir dir;
  test::put_file(dir / "file", "x");
  const io::Fd no_netns(::open((dir / "file").c_str(), O_RDONLY));
  CHECK_FALSE(Netlink::open_in(no_netns));
}

TEST_CASE("netns: of a process; our own is none to move into") {
  House house;
  const auto own = netns_of(::getpid());
  REQUIRE(own);
  CHECK(*own == nullptr);
  CHECK(netns_of(1'000'000'000).error().code() == Errc::not_found);
}

TEST_CASE("place: an adapter has its addresses, its route and a lower MTU in the pod") {
  House house;
  house.hot_add("eth0");
  AdapterSettings settings;
  settings.encap_overhead = 50;
  settings.ips = {{"10.0.0.5", 24}, {"fd00::5", 64}};
  settings.routes = {{"10.0.0.1", "0.0.0.0/0", 0}, {"fd00::1", "::/0", 0}, {"10.0.0.9", "10.9.0.0/16", 7}};
  house.installed("eth0", *make_plan(settings, 0));
  const std::string shown = house.in_pod("ip addr show eth0");
  CHECK(has(shown, "10.0.0.5/24"));
  CHECK(has(shown, "fd00::5/64"));
  CHECK(has(shown, "mtu 1450"));
  CHECK(has(shown, "UP"));
  CHECK(has(house.in_pod("ip route"), "default via 10.0.0.1 dev eth0"));
  CHECK(has(house.in_pod("ip route"), "10.9.0.0/16 via 10.0.0.9 dev eth0 metric 7"));
  CHECK(has(house.in_pod("ip -6 route"), "default via fd00::1 dev eth0"));
  CHECK_FALSE(has(sh("ip link"), " eth0@"));
}

TEST_CASE("place: a gateway outside of the subnet is on the link, with both families") {
  House house;
  house.hot_add("eth0");
  house.hot_add("eth1");
  house.installed("eth0", house.plan("10.0.0.5/32", "169.254.1.1"));
  house.installed("eth1", house.plan("fd00::5/128", "fd99::1"));
  CHECK(has(house.in_pod("ip route"), "default via 169.254.1.1 dev eth0 onlink"));
  CHECK(has(house.in_pod("ip -6 route"), "default via fd99::1 dev eth1"));
  // The pod does not think that the gateway's address is its own.
  CHECK_FALSE(has(house.in_pod("ip addr"), "169.254.1.1"));
}

TEST_CASE("place: an adapter with a table of its own sends from its address through it") {
  House house;
  house.hot_add("eth0");
  house.hot_add("eth1");
  house.installed("eth0", house.plan("10.0.0.5/24", "10.0.0.1"));
  house.installed("eth1", house.plan("10.1.0.5/24", "10.1.0.1", 101));
  CHECK(has(house.in_pod("ip rule"), "5:\tfrom 10.1.0.5 lookup 101"));
  CHECK(has(house.in_pod("ip route show table 101"), "default via 10.1.0.1 dev eth1 metric 500"));
  CHECK(has(house.in_pod("ip route get 8.8.8.8 from 10.1.0.5"), "dev eth1"));
  CHECK(has(house.in_pod("ip route get 8.8.8.8 from 10.0.0.5"), "dev eth0"));
}

TEST_CASE("place: an adapter whose name another one has in the pod gets a free one") {
  House house;
  house.hot_add("eth0");
  const auto first = house.installed("eth0", house.plan("10.0.0.5/24"));
  house.hot_add("eth0");
  const auto second = house.installed("eth0", house.plan("10.1.0.5/24"), {first.index});
  CHECK(second.name == "eth1");
  CHECK(has(house.in_pod("ip addr show eth0"), "10.0.0.5"));
  CHECK(has(house.in_pod("ip addr show eth1"), "10.1.0.5"));
}

TEST_CASE("place: a stale interface of the same name makes way") {
  House house;
  house.hot_add("eth0");
  house.installed("eth0", house.plan("10.0.0.5/24"));  // nobody knows of it any more
  house.hot_add("eth0");
  const auto placed = house.installed("eth0", house.plan("10.1.0.5/24"));
  CHECK(placed.name == "eth0");
  CHECK(has(house.in_pod("ip addr show eth0"), "10.1.0.5"));
  CHECK(has(house.in_pod("ip link show stale0"), "state DOWN"));
}

TEST_CASE("place: an interface that cannot move leaves the one that made way for it as it was") {
  House house;
  house.in_pod("ip link set lo up");
  const auto placed = place("lo", house.pod, {});  // the kernel's loopback belongs to its namespace
  REQUIRE_FALSE(placed);
  CHECK(has(placed.error().message(), "move to another network namespace as lo"));
  CHECK(has(house.in_pod("ip link show lo"), "UP"));
  CHECK_FALSE(has(house.in_pod("ip link"), "stale0"));
}

TEST_CASE("withdraw: all is as it was, and the same adapter may come again") {
  House house;
  house.hot_add("eth0");
  AdapterSettings settings;
  settings.encap_overhead = 50;
  settings.ips = {{"10.0.0.5", 24}, {"fd00::5", 64}};
  settings.routes = {{"10.0.0.1", "0.0.0.0/0", 0}};
  const std::string rules = house.in_pod("ip rule") + house.in_pod("ip -6 rule");
  for (int round = 0; round < 3; ++round) {
    const auto placed = house.installed("eth0", *make_plan(settings, 101));
    CHECK(has(house.in_pod("ip link show eth0"), "mtu 1450"));
    const auto withdrawn = withdraw(placed);
    REQUIRE_MESSAGE(withdrawn, withdrawn.error().message());
    const std::string shown = sh("ip addr show eth0");
    CHECK(has(shown, "mtu 1500"));
    CHECK(has(shown, "state DOWN"));
    CHECK_FALSE(has(shown, "10.0.0.5"));
    CHECK(house.in_pod("ip rule") + house.in_pod("ip -6 rule") == rules);
  }
}

TEST_CASE("withdraw: an interface that has gone leaves no rule, and one whose name is taken at home gets another") {
  House house;
  const std::string peer = house.hot_add("eth0");
  const auto gone = house.installed("eth0", house.plan("10.0.0.5/24", "10.0.0.1", 101));
  sh("ip link del " + peer);
  const auto withdrawn = withdraw(gone);
  CHECK_MESSAGE(withdrawn, withdrawn.error().message());
  CHECK_FALSE(has(house.in_pod("ip rule"), "lookup 101"));
  house.hot_add("eth0");
  const auto placed = house.installed("eth0", house.plan("10.0.0.5/24"));
  house.hot_add("eth0");
  REQUIRE(withdraw(placed));
  CHECK(has(sh("ip link"), " eth0@"));
  CHECK(has(sh("ip link"), " eth1@"));
}

TEST_CASE("configure: a failure names the operation, and what was done before can be undone") {
  House house;
  house.hot_add("eth0");
  auto plan = house.plan("10.0.0.5/24");
  plan.push_back(plan.back());
  auto placed = place("eth0", house.pod, {});
  REQUIRE(placed);
  const auto configured = configure(*placed, plan);
  REQUIRE_FALSE(configured);
  CHECK(configured.error().message().starts_with("address 10.0.0.5/24: add the address: File exists"));
  REQUIRE(withdraw(*placed));
  CHECK(has(sh("ip addr show eth0"), "state DOWN"));
}

TEST_CASE("configure: an overhead that leaves nothing of the MTU is refused") {
  House house;
  house.hot_add("eth0");
  auto placed = place("eth0", house.pod, {});
  REQUIRE(placed);
  const Operation operation{.kind = Operation::Kind::lower_mtu, .bytes = 1500};
  CHECK(has(configure(*placed, {&operation, 1}).error().message(), "EncapOverhead"));
}

TEST_CASE("place: in the VM's own network an interface stays where it is, and is clean again after that") {
  House house;
  house.hot_add("eth0");
  auto placed = place("eth0", nullptr, {});
  REQUIRE(placed);
  REQUIRE(configure(*placed, house.plan("10.0.0.5/24", "10.0.0.1", 101)));
  CHECK(has(sh("ip addr show eth0"), "10.0.0.5/24"));
  REQUIRE(withdraw(*placed));
  CHECK_FALSE(has(sh("ip addr show eth0"), "10.0.0.5"));
  CHECK_FALSE(has(sh("ip rule"), "lookup 101"));
}

TEST_CASE("lookup: the interface of an adapter, synthetic or of a PCI device") {
  const TempDir sysfs;
  const std::string device = sysfs / "bus/vmbus/devices/" + std::string(kGuid);
  CHECK(find_interface(sysfs.path(), kGuid, false).error().code() == Errc::not_found);
  put_dir(device + "/net");
  CHECK(find_interface(sysfs.path(), kGuid, false).error().code() == Errc::not_found);
  put_dir(device + "/net/eth3");
  CHECK(*find_interface(sysfs.path(), kGuid, false) == "eth3");
  put_dir(device + "/net/eth4");
  CHECK(find_interface(sysfs.path(), kGuid, false).error().code() == Errc::internal);
  CHECK(find_interface(sysfs.path(), kGuid, true).error().code() == Errc::not_found);
  put_dir(device + "/pci0b3f:00/pci_bus");
  CHECK(find_pci_path(sysfs.path(), kGuid).error().code() == Errc::not_found);
  put_dir(device + "/pci0b3f:00/0b3f:00:02.0/net/eth5");
  CHECK(*find_pci_path(sysfs.path(), kGuid) == device + "/pci0b3f:00/0b3f:00:02.0");
  CHECK(*find_interface(sysfs.path(), kGuid, true) == "eth5");
  put_dir(device + "/pci0b3f:00/0b3f:00:03.0");
  CHECK(find_pci_path(sysfs.path(), kGuid).error().code() == Errc::internal);
}

TEST_CASE("lookup: only a GUID is looked for") {
  CHECK(is_guid(kGuid));
  CHECK(is_guid("F3A9E1B0-6A1C-4C55-9D0E-0A2B3C4D5E6F"));
  for (const char* text : {"", "..", "f3a9e1b0-6a1c-4c55-9d0e-0a2b3c4d5e6", "{3a9e1b0-6a1c-4c55-9d0e-0a2b3c4d5e6}",
                           "f3a9e1b0/6a1c-4c55-9d0e-0a2b3c4d5e6f", "../../../../../../../../../../../..."}) {
    CAPTURE(text);
    CHECK_FALSE(is_guid(text));
  }
  Loop loop;
  ManualClock clock;
  io::Offload offload(loop.executor(), clock);
  DeviceLookup lookup(loop.executor(), offload, clock, "/nowhere");
  CHECK(loop.run(lookup.interface_of("../x", false)).error().message() == "ID: not a GUID");
  CHECK(loop.run(lookup.pci_path_of("../x")).error().message() == "VMBusGUID: not a GUID");
}

TEST_CASE("lookup: a device that comes late is found, and one that does not come is given up at its limit") {
  const TempDir sysfs;
  Loop loop;
  ManualClock clock;
  io::Offload offload(loop.executor(), clock);
  DeviceLookup lookup(loop.executor(), offload, clock, sysfs.path());
  const auto begin = clock.now();
  const auto pass = [&](const auto& running) {
    while (!running.done()) {
      loop.settle();
      clock.advance(std::chrono::milliseconds(1));
      std::this_thread::yield();
    }
    return clock.now() - begin;
  };
  auto missing = loop.start(lookup.pci_path_of(kGuid));
  auto late = loop.start(lookup.interface_of(kGuid, false));
  auto absent = loop.start(lookup.interface_of("00000000-6a1c-4c55-9d0e-0a2b3c4d5e6f", false));
  CHECK(pass(absent) >= DeviceLookup::kInterfaceLimit);
  CHECK(absent.value().error().code() == Errc::not_found);
  CHECK(has(absent.value().error().message(), "has not appeared within 5 s"));
  pass(late);
  CHECK_FALSE(late.value());
  auto again = loop.start(lookup.interface_of(kGuid, false));
  loop.settle();
  CHECK_FALSE(again.done());
  put_dir(sysfs / "bus/vmbus/devices/" + std::string(kGuid) + "/net/eth0");
  pass(again);
  CHECK(*again.value() == "eth0");
  CHECK_FALSE(missing.done());
  CHECK(pass(missing) >= DeviceLookup::kPciLimit);
  CHECK(has(missing.value().error().message(), "has not appeared within 10 s"));
}

namespace {

/// A DHCP client that is a script of ours.
struct DhcpHouse {
  explicit DhcpHouse(const std::string& script) {
    settings.client = dir / "udhcpc";
    settings.script = dir / "script";
    settings.limit = std::chrono::seconds(1);
    for (const auto& [path, text] : {std::pair{settings.client, script}, std::pair{settings.script, std::string()}}) {
      test::put_file(path, "#!/bin/sh\n" + text + "\n");
      REQUIRE(::chmod(path.c_str(), 0755) == 0);
    }
    REQUIRE(reaper.start());
    collecting = loop.start(reaper.run());
  }
  ~DhcpHouse() {
    loop.group().cancel();
    loop.run_until([this] { return collecting.done(); });
  }
  Result<> ask(const std::string& interface, NetnsPtr netns) {
    const auto dhcp = runtime::make_dhcp(reaper, loop.engine(), loop.clock(), settings);
    return loop.run(dhcp(interface, netns));
  }

  TempDir dir;
  runtime::DhcpSettings settings;
  Loop loop;
  runtime::Reaper reaper{loop.engine()};
  Running<Done> collecting;
};

}  // namespace

TEST_CASE("dhcp: the client runs in the namespace of the interface, with upstream's arguments") {
  House house;
  house.hot_add("eth0");
  const auto placed = house.installed("eth0", {});
  DhcpHouse dhcp("[ \"$*\" = \"-q -i eth0 -s ${0%/*}/script\" ] && ip addr add 10.0.0.77/24 dev \"$3\"");
  const auto asked = dhcp.ask("eth0", house.pod);
  REQUIRE_MESSAGE(asked, asked.error().message());
  CHECK(has(house.in_pod("ip addr show eth0"), "10.0.0.77/24"));
}

TEST_CASE("dhcp: an image without a client, a client that fails and one that hangs are errors that say so") {
  House house;
  DhcpHouse dhcp("echo first; echo no lease; exit 3");
  auto said = dhcp.ask("eth0", nullptr);
  REQUIRE_FALSE(said);
  CHECK(said.error().message() == "DHCP on eth0: the client ended with status 3: no lease");
  test::put_file(dhcp.settings.client, "#!/bin/sh\nexec sleep 1000\n");
  said = dhcp.ask("eth0", nullptr);
  REQUIRE_FALSE(said);
  CHECK(said.error().code() == Errc::timed_out);
  dhcp.settings.script = "/nowhere/script";
  said = dhcp.ask("eth0", nullptr);
  REQUIRE_FALSE(said);
  CHECK(said.error().code() == Errc::unsupported);
  CHECK(has(said.error().message(), "the image has no /nowhere/script"));
}

}  // namespace gcs::testing
