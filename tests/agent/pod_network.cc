// Pods with network adapters: given to the sandbox, used by the workloads that join its network.

#include <doctest/doctest.h>

#include "tests/agent/network_stage.h"
#include "tests/agent/pod_scene.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

const std::vector<std::string> kSleep = {"sleep", "1000"};

/// A sandbox that waits for the adapters of the tests' namespace.
Member sandbox_of_network() {
  Member box = sandbox(kSleep);
  box.oci["annotations"].erase("io.microsoft.cri.skip-pod-networking");
  box.oci["windows"]["network"]["networkNamespace"] = kPod;
  return box;
}

/// A pod with a workload in the network of its sandbox; both run.
struct Pod {
  explicit Pod(Stage& of) : stage(of), box(sandbox_of_network()), guest(workload(box, kSleep)) {
    made(box);
    init = start(stage, box, {false, false, false});
    for (auto& entry : guest.oci["linux"]["namespaces"]) {
      if (entry["type"] == "network") entry["path"] = "/proc/" + std::to_string(init->pid()) + "/ns/net";
    }
    made(guest);
    running = start(stage, guest, {false, false, false});
  }
  ~Pod() noexcept(false) {
    if (std::uncaught_exceptions() != 0) return;
    remove(stage, guest);
    remove(stage, box);
  }

  void made(const Member& member) {
    const std::string refused = create(stage, member);
    REQUIRE_MESSAGE(refused.empty(), refused);
  }
  std::string seen(const std::string& command) { return seen_by(*running, command); }
  std::string resolv_conf() { return file_of(*running, "/etc/resolv.conf"); }

  Stage& stage;
  Member box;
  Member guest;
  std::unique_ptr<host::Process> init;
  std::unique_ptr<host::Process> running;
};

}  // namespace

TEST_CASE("pod: an adapter that was added before its sandbox is its workloads', with addresses and names") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.add(1, kFirst);
  CHECK(test::exists("/sys/class/net/eth0"));
  {
    Pod pod(stage);
    CHECK_FALSE(test::exists("/sys/class/net/eth0"));
    const std::string shown = pod.seen("ip addr show eth0");
    CHECK(has(shown, "10.77.1.2/24"));
    CHECK(has(shown, "mtu 1450"));
    CHECK(has(pod.seen("ip route"), "default via 10.77.1.1 dev eth0"));
    CHECK(pod.resolv_conf() == "search pod1.test b.test\nnameserver 10.77.1.1\n");
    sh("/run/layers/busybox/bin/busybox ping -c 1 -W 10 10.77.1.2");
  }
  CHECK(has(sh("ip addr show eth0"), "mtu 1500"));  // back in the VM, as it was
}

TEST_CASE("pod: an adapter added while it runs leaves the first alone, and running workloads learn whom to ask") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.add(1, kFirst);
  Pod pod(stage);
  stage.hypervisor.plug(2, kSecond, "eth0");  // the first one's name is free in the VM
  stage.add(2, kSecond);
  CHECK(has(pod.seen("ip addr show eth0"), "10.77.1.2/24"));
  CHECK(has(pod.seen("ip addr show eth0"), "mtu 1450"));
  CHECK(has(pod.seen("ip addr show eth1"), "10.77.2.2/24"));
  CHECK(pod.resolv_conf() == "search pod1.test b.test pod2.test\nnameserver 10.77.1.1\nnameserver 10.77.2.1\n");
  stage.take_away(kFirst);
  CHECK_FALSE(has(pod.seen("ip addr"), "10.77.1.2"));
  CHECK(pod.resolv_conf() == "search pod2.test b.test\nnameserver 10.77.2.1\n");
  // A workload that comes now has what there is now.
  Member late = workload(pod.box, {"cat", "/etc/resolv.conf"});
  pod.made(late);
  auto process = start(stage, late);
  CHECK(output_of(stage, *process) == "search pod2.test b.test\nnameserver 10.77.2.1\n");
  CHECK(stage.loop.run(process->wait()));
  remove(stage, late, true);
}

TEST_CASE("pod: an adapter that is removed and added again takes its name back from a stale interface") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.add(1, kFirst);
  Pod pod(stage);
  stage.take_away(kFirst);
  CHECK(pod.resolv_conf().empty());
  pod.seen("ip link add eth0 type veth peer name other");
  stage.add(1, kFirst);
  CHECK(has(pod.seen("ip addr show eth0"), "10.77.1.2/24"));
  CHECK(has(pod.seen("ip link show stale0"), "state DOWN"));
  CHECK(pod.resolv_conf() == "search pod1.test b.test\nnameserver 10.77.1.1\n");
  sh("/run/layers/busybox/bin/busybox ping -c 1 -W 10 10.77.1.2");
}

TEST_CASE("pod: a sandbox without its adapters is refused, and comes once they have been added") {
  NetworkStage stage;
  const Member box = sandbox_of_network();
  CHECK(has(create(stage, box), kPod));
  stage.hypervisor.plug(1, kFirst, "eth0");
  stage.add(1, kFirst);
  Pod pod(stage);
  CHECK(has(pod.seen("ip addr show eth0"), "10.77.1.2/24"));
}

TEST_CASE("pod: of pods with an adapter and a workload, one after the other, nothing is left") {
  NetworkStage stage;
  stage.hypervisor.plug(1, kFirst, "eth0");
  const auto round = [&stage] {
    stage.add(1, kFirst);
    { Pod pod(stage); }
    stage.take_away(kFirst);  // as hosts do afterwards
  };
  round();  // what is made once and kept is there now
  const auto before = stage.holdings();
  const std::string links = sh("ip -o link | wc -l");
  for (int count = 0; count < 10; ++count) round();
  CHECK(stage.holdings() == before);
  CHECK(sh("ip -o link | wc -l") == links);
}

}  // namespace gcs::testing
