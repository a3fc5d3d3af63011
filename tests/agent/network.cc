// Network adapters of standalone containers, hot-added as a hypervisor would.

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "tests/agent/network_stage.h"
#include "tests/host/call.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using host::Message;
using nlohmann::json;
using std::chrono::steady_clock;

constexpr const char* kNobody = "00000000-6a1c-4c55-9d0e-0a2b3c4d5e6f";

/// The machine as an image with a DHCP client, and a server behind the first adapter that leases 10.77.1.20.
struct DhcpImage {
  DhcpImage() {
    sh("mkdir -p /run/dhcp/upper /run/dhcp/work");
    sh("mount -t overlay overlay -o lowerdir=/usr/sbin,upperdir=/run/dhcp/upper,workdir=/run/dhcp/work /usr/sbin");
    sh("ln -s $(command -v busybox) /usr/sbin/udhcpc");
    test::put_file("/usr/sbin/udhcpc_config.script",
                   "#!/bin/sh\n[ \"$1\" = bound ] || exit 0\nip addr add \"$ip/$mask\" dev \"$interface\"\n"
                   "ip route add default via \"$router\" dev \"$interface\"\n");
    REQUIRE(::chmod("/usr/sbin/udhcpc_config.script", 0755) == 0);
    test::put_file("/run/dhcp/leases", "");
    test::put_file("/run/dhcp/server",
                   "start 10.77.1.20\nend 10.77.1.20\ninterface host1\nlease_file /run/dhcp/leases\n"
                   "pidfile /run/dhcp/pid\noption subnet 255.255.255.0\noption router 10.77.1.1\n");
  }
  void serve() { sh("busybox udhcpd /run/dhcp/server"); }
  ~DhcpImage() {
    sh("[ ! -e /run/dhcp/pid ] || kill $(cat /run/dhcp/pid)");
    ::umount2("/usr/sbin", MNT_DETACH);
    sh("rm -r /run/dhcp");
  }
};

host::ContainerSpec in_pod(std::vector<std::string> args = {"sleep", "1000"}) {
  auto spec = busybox(std::move(args));
  spec.network = kPod;
  return spec;
}

}  // namespace

TEST_CASE("agent: a standalone container has its adapter with addresses, routes, MTU and names, and is reached by it") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.add(1, kFirst);
  const auto spec = in_pod();
  const auto init = stage.run(spec);
  const std::string shown = seen_by(*init, "ip addr show eth0");
  CHECK(has(shown, "10.77.1.2/24 brd 10.77.1.255"));
  CHECK(has(shown, "fd77:1::2/64"));
  CHECK(has(shown, "mtu 1450"));
  CHECK(has(seen_by(*init, "ip route"), "default via 10.77.1.1 dev eth0"));
  CHECK(has(seen_by(*init, "ip -6 route"), "default via fd77:1::1 dev eth0"));
  CHECK(file_of(*init, "/etc/resolv.conf") == "search pod1.test b.test\nnameserver 10.77.1.1\n");
  sh("/run/layers/busybox/bin/busybox ping -c 1 -W 10 10.77.1.2");
  CHECK_FALSE(test::exists("/sys/class/net/eth0"));
  stage.end(spec);
  CHECK(has(sh("ip addr show eth0"), "mtu 1500"));  // back in the VM, as it was
  CHECK_FALSE(has(sh("ip addr show eth0"), "10.77.1.2"));
}

TEST_CASE("agent: adapters that come to a running container leave those that are there alone, each with its table") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.add(1, kFirst);
  const auto spec = in_pod();
  const auto init = stage.run(spec);
  // The names of adapters that have moved are free in the VM.
  stage.hypervisor.plug(2, kSecond, "eth0");
  stage.add(2, kSecond);
  stage.hypervisor.plug(3, kThird, "eth0");
  stage.add(3, kThird);
  for (int number = 1; number <= 3; ++number) {
    CAPTURE(number);
    const std::string shown = seen_by(*init, "ip addr show eth" + std::to_string(number - 1));
    CHECK(has(shown, "10.77." + std::to_string(number) + ".2/24"));
    CHECK(has(shown, "mtu 1450"));
    const std::string from = "ip route get 8.8.8.8 from 10.77." + std::to_string(number) + ".2";
    CHECK(has(seen_by(*init, from), "via 10.77." + std::to_string(number) + ".1"));
  }
  CHECK(has(seen_by(*init, "ip route get 8.8.8.8"), "dev eth0"));
  CHECK(has(seen_by(*init, "ip -6 rule"), "from fd77:3::2 lookup 102"));
  CHECK(has(file_of(*init, "/etc/resolv.conf"), "search pod1.test b.test pod2.test pod3.test\n"));
  const auto again = stage.modify("Add", adapter(3, kThird));
  REQUIRE_FALSE(again);
  CHECK(has(again.error().message(), kThird));
  stage.end(spec);
}

TEST_CASE("agent: after a migration the old adapter's record goes, the new one comes under the same name") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.add(1, kFirst);
  const auto spec = in_pod();
  const auto init = stage.run(spec);
  SUBCASE("and the old interface has stayed") {}
  SUBCASE("and the old interface has gone with its host") {
    stage.hypervisor.unplug(1);
  }
  stage.take_away(kFirst);
  CHECK_FALSE(has(seen_by(*init, "ip addr"), "10.77.1.2"));
  CHECK(file_of(*init, "/etc/resolv.conf").empty());
  stage.hypervisor.unplug(1);
  stage.hypervisor.plug(2, kSecond, "eth0");
  stage.add(2, kSecond);
  CHECK(has(seen_by(*init, "ip addr show eth0"), "10.77.2.2/24"));
  CHECK(has(seen_by(*init, "ip route"), "default via 10.77.2.1 dev eth0"));
  CHECK(file_of(*init, "/etc/resolv.conf") == "search pod2.test b.test\nnameserver 10.77.2.1\n");
  sh("/run/layers/busybox/bin/busybox ping -c 1 -W 10 10.77.2.2");
  stage.end(spec);
}

TEST_CASE("agent: a stale interface in the container's network makes way for an adapter of its name") {
  NetworkStage stage;
  const auto spec = in_pod();
  const auto init = stage.run(spec);
  seen_by(*init, "ip link add eth0 type veth peer name other");
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.add(1, kFirst);
  CHECK(has(seen_by(*init, "ip addr show eth0"), "10.77.1.2/24"));
  CHECK(has(seen_by(*init, "ip link show stale0"), "state DOWN"));
  stage.end(spec);
}

TEST_CASE("agent: adapters and devices that do not come are errors in their time, and everybody else is served") {
  NetworkStage stage;
  const auto begin = steady_clock::now();
  auto nic = stage.loop.start(host::modify(stage.host, "Add", "Network", adapter(1, kNobody)));
  auto device = stage.loop.start(host::modify(stage.host, "Add", "VPCIDevice", {{"VMBusGUID", kNobody}}));
  steady_clock::duration slowest{};
  while (!nic.done() && steady_clock::now() - begin < std::chrono::seconds(15)) {
    const auto asked = steady_clock::now();
    REQUIRE(stage.loop.run(host::stacks(stage.host)));
    slowest = std::max(slowest, steady_clock::now() - asked);
  }
  REQUIRE(nic.done());
  const auto took = steady_clock::now() - begin;
  CHECK(took >= std::chrono::milliseconds(4900));
  CHECK(took < std::chrono::seconds(7));
  CHECK(slowest < std::chrono::seconds(2));
  REQUIRE_FALSE(nic.value());
  CHECK(has(nic.value().error().message(), std::string(kNobody) + ": has not appeared within 5 s"));
  stage.loop.run_until([&device] { return device.done(); });
  REQUIRE_FALSE(device.value());
  CHECK(has(device.value().error().message(), "has not appeared within 10 s"));
  CHECK(steady_clock::now() - begin < std::chrono::seconds(12));
}

TEST_CASE("agent: a PCI device that is there, or comes while it is awaited, is reported") {
  NetworkStage stage;
  const std::string device = std::string("/sys/bus/vmbus/devices/") + kFirst;
  auto awaited = stage.loop.start(
      host::modify(stage.host, "Add", "VPCIDevice", {{"VMBusGUID", "F3A9E1B0-6a1c-4c55-9d0e-0a2b3c4d5e6f"}}));
  REQUIRE(stage.loop.run(host::stacks(stage.host)));
  CHECK_FALSE(awaited.done());
  test::put_dir(device + "/pci0b3f:00/0b3f:00:02.0");
  stage.loop.run_until([&awaited] { return awaited.done(); });
  CHECK(awaited.value());
  CHECK_FALSE(stage.loop.run(host::modify(stage.host, "Remove", "VPCIDevice", {{"VMBusGUID", kFirst}})));
}

TEST_CASE("agent: an adapter with settings that cannot be is refused by the field's name, and leaves no trace") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  auto settings = adapter(1, kFirst);
  settings["Routes"][1]["DestinationPrefix"] = "default";
  const auto refused = stage.modify("Add", settings);
  REQUIRE_FALSE(refused);
  CHECK(has(refused.error().message(), "Routes[1].DestinationPrefix"));
  settings = adapter(1, kFirst);
  settings["ID"] = "../../../net";
  CHECK(has(stage.modify("Add", settings).error().message(), "ID: not a GUID"));
  CHECK_FALSE(stage.modify("Update", adapter(1, kFirst)));
  stage.add(1, kFirst);
  stage.take_away(kFirst);
  stage.take_away(kFirst);  // what is not there is gone already
}

TEST_CASE("agent: an adapter that cannot be configured is taken back, and the container goes on") {
  NetworkStage stage;
  const auto spec = in_pod();
  const auto init = stage.run(spec);
  stage.hypervisor.plug(1, kFirst, "eth0");
  auto settings = adapter(1, kFirst);
  settings["IPConfigs"].push_back(settings["IPConfigs"][0]);
  const auto refused = stage.modify("Add", settings);
  REQUIRE_FALSE(refused);
  CHECK(has(refused.error().message(), "address 10.77.1.2/24"));
  CHECK(has(sh("ip addr show eth0"), "mtu 1500"));
  CHECK_FALSE(has(seen_by(*init, "ip link"), "eth0"));
  stage.add(1, kFirst);
  CHECK(has(seen_by(*init, "ip addr show eth0"), "10.77.1.2/24"));
  stage.end(spec);
}

TEST_CASE("agent: an adapter without addresses needs the image's DHCP client, and its lack is an error that names it") {
  REQUIRE_FALSE(test::exists("/sbin/udhcpc_config.script"));  // an image's file; a build machine has none
  NetworkStage stage;
  const auto spec = in_pod();
  const auto init = stage.run(spec);
  stage.hypervisor.plug(1, kFirst, "eth0");
  auto settings = adapter(1, kFirst);
  settings.erase("IPConfigs");
  const auto refused = stage.modify("Add", settings);
  REQUIRE_FALSE(refused);
  CHECK(has(refused.error().message(), "/sbin/udhcpc"));
  CHECK(test::exists("/sys/class/net/eth0"));
  stage.end(spec);
}

TEST_CASE(
    "agent: an adapter without addresses gets what the image's DHCP client is leased in the container's network") {
  DhcpImage image;
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  image.serve();
  auto settings = adapter(1, kFirst);
  settings.erase("IPConfigs");
  settings["Routes"] = {{{"NextHop", "10.77.1.7"}, {"DestinationPrefix", "10.9.0.0/16"}}};
  REQUIRE(stage.modify("Add", settings));
  const auto spec = in_pod();
  const auto init = stage.run(spec);
  CHECK(has(seen_by(*init, "ip addr show eth0"), "10.77.1.20/24"));
  CHECK(has(seen_by(*init, "ip route"), "default via 10.77.1.1 dev eth0"));
  CHECK(has(seen_by(*init, "ip route"), "10.9.0.0/16 via 10.77.1.7 dev eth0"));
  stage.end(spec);
}

TEST_CASE("agent: a container in the VM's network has its adapter configured there, until it is deleted") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  auto settings = adapter(1, kFirst);
  settings["Routes"][0]["NextHop"] = "10.77.1.9";  // the host's end is in this network, too
  settings["Routes"][1]["NextHop"] = "fd77:1::9";
  REQUIRE(stage.modify("Add", settings));
  const auto spec = in_pod();
  REQUIRE(stage.loop.run(host::combine_layers(stage.host, spec)));
  json oci = host::oci_spec(spec);
  oci["annotations"]["io.microsoft.virtualmachine.lcow.hostnetwork"] = "true";
  const auto created = stage.loop.run(host::create_container(stage.host, spec, oci));
  REQUIRE_MESSAGE(created, created.error().message());
  auto init = stage.loop.run(host::start_container(stage.host, spec, {false, false, false}));
  REQUIRE_MESSAGE(init, init.error().message());
  CHECK(has(sh("ip addr show eth0"), "10.77.1.2/24"));
  CHECK(has(seen_by(**init, "ip addr show eth0"), "10.77.1.2/24"));
  stage.end(spec);
  CHECK_FALSE(has(sh("ip addr show eth0"), "10.77.1.2/24"));
}

TEST_CASE("agent: a second container in a network that has its pod is refused, and disturbs nobody") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.add(1, kFirst);
  const auto spec = in_pod();
  const auto init = stage.run(spec);
  const auto other = in_pod();
  REQUIRE(stage.loop.run(host::combine_layers(stage.host, other)));
  const auto refused = stage.loop.run(host::create_container(stage.host, other));
  REQUIRE_FALSE(refused);
  CHECK(has(refused.error().message(), kPod));
  CHECK(has(seen_by(*init, "ip addr show eth0"), "10.77.1.2/24"));
  REQUIRE(stage.loop.run(host::separate_layers(stage.host, other)));
  stage.end(spec);
}

TEST_CASE("agent: after 50 pods with two adapters each, no descriptor, process, mount or interface is left") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.hypervisor.plug(2, kSecond, "eth1");
  const auto round = [&stage] {
    stage.add(1, kFirst);
    const auto spec = in_pod();
    const auto init = stage.run(spec);
    stage.add(2, kSecond);
    CHECK(has(seen_by(*init, "ip addr"), "10.77.2.2/24"));
    stage.end(spec);
    stage.take_away(kFirst);  // as hosts do afterwards
    stage.take_away(kSecond);
  };
  round();  // what is made once and kept is there now
  const auto before = stage.holdings();
  const std::string links = sh("ip -o link | wc -l");
  const std::string rules = sh("ip rule; ip -6 rule");
  for (int count = 0; count < 50; ++count) round();
  CHECK(stage.holdings() == before);
  CHECK(sh("ip -o link | wc -l") == links);
  CHECK(sh("ip rule; ip -6 rule") == rules);
  CHECK(has(sh("ip link show eth0"), "mtu 1500"));
}

}  // namespace gcs::testing
