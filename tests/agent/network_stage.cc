#include "tests/agent/network_stage.h"

#include <doctest/doctest.h>
#include <sys/mount.h>

#include <cstdio>

#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using nlohmann::json;

constexpr const char* kDevices = "/sys/bus/vmbus/devices/";

}  // namespace

Hypervisor::Hypervisor() {
  REQUIRE(::mount("tmpfs", "/sys/bus", "tmpfs", 0, nullptr) == 0);  // sysfs itself takes no directories
  test::put_dir(kDevices);
}

Hypervisor::~Hypervisor() {
  for (int number = 0; number < 10; ++number) unplug(number);
  ::umount2("/sys/bus", MNT_DETACH);
}

void Hypervisor::plug(int number, const std::string& guid, const std::string& name) {
  const std::string n = std::to_string(number);
  sh("ip link add " + name + " type veth peer name host" + n);
  sh("ip addr add 10.77." + n + ".1/24 dev host" + n + "; ip -6 addr add fd77:" + n + "::1/64 dev host" + n +
     " nodad; ip link set host" + n + " up");
  test::put_dir(kDevices + guid + "/net/" + name);
}

void Hypervisor::unplug(int number) {
  const std::string name = "host" + std::to_string(number);
  if (test::exists("/sys/class/net/" + name)) sh("ip link del " + name);
}

json adapter(int number, const char* guid) {
  const std::string n = std::to_string(number);
  return {{"NamespaceID", kPod},
          {"ID", guid},
          {"MacAddress", "00-15-5D-01-02-03"},
          {"DNSSuffix", "Pod" + n + ".test,b.test"},
          {"DNSServerList", "10.77." + n + ".1"},
          {"EncapOverhead", 50},
          {"IPConfigs",
           {{{"IPAddress", "10.77." + n + ".2"}, {"PrefixLength", 24}},
            {{"IPAddress", "fd77:" + n + "::2"}, {"PrefixLength", 64}}}},
          {"Routes",
           {{{"NextHop", "10.77." + n + ".1"}, {"DestinationPrefix", "0.0.0.0/0"}},
            {{"NextHop", "fd77:" + n + "::1"}, {"DestinationPrefix", "::/0"}}}},
          {"PolicyBasedRouting", true}};
}

std::string seen_by(const host::Process& process, const std::string& command) {
  return sh("nsenter -n -t " + std::to_string(process.pid()) + " " + command);
}

std::string file_of(const host::Process& process, const std::string& path) {
  return test::get_file("/proc/" + std::to_string(process.pid()) + "/root" + path);
}

Result<> NetworkStage::modify(const char* type, json settings) {
  return loop.run(host::modify(host, type, "Network", std::move(settings)));
}

void NetworkStage::add(int number, const char* guid) {
  const auto added = modify("Add", adapter(number, guid));
  REQUIRE_MESSAGE(added, added.error().message());
}

void NetworkStage::take_away(const char* guid) {
  const auto removed = modify("Remove", {{"NamespaceID", kPod}, {"ID", guid}});
  REQUIRE_MESSAGE(removed, removed.error().message());
}

void NetworkStage::end(const host::ContainerSpec& spec) {
  REQUIRE(loop.run(host::shut_down(host, spec.id, true)));
  remove(spec);
}

}  // namespace gcs::testing
