// Pods as a shim makes them: what their containers share, what annotations and mounts give them, and what is left.

#include <doctest/doctest.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/agent/pod_scene.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using nlohmann::json;
using test::exists;
using test::get_file;

const std::vector<std::string> kSleep = {"sleep", "1000"};

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// A sandbox that runs.
struct Pod {
  explicit Pod(Stage& of, Layout layout = Layout::v1) : stage(of), box(sandbox(kSleep, layout)), shape(layout) {
    begin();
  }
  Pod(Stage& of, Member member) : stage(of), box(std::move(member)) { begin(); }
  ~Pod() noexcept(false) {
    if (std::uncaught_exceptions() == 0) remove(stage, box);
  }

  void begin() {
    const std::string refused = create(stage, box);
    REQUIRE_MESSAGE(refused.empty(), refused);
    init = start(stage, box, {false, false, false});
  }

  /// A workload from its Create to its removal; what it says.
  std::string run(const Member& member) {
    const std::string refused = create(stage, member);
    REQUIRE_MESSAGE(refused.empty(), refused);
    auto process = start(stage, member);
    std::string said = output_of(stage, *process);
    CHECK(stage.loop.run(process->wait()));
    remove(stage, member, true);
    return said;
  }

  Member with(const std::string& script) { return workload(box, {"sh", "-c", script}, shape); }

  Stage& stage;
  Member box;
  Layout shape = Layout::v1;
  std::unique_ptr<host::Process> init;
};

/// A device that no container has unasked, and that anybody with leave may open.
std::string some_device() {
  for (const char* path : {"/dev/loop-control", "/dev/net/tun", "/dev/fuse"}) {
    if (exists(path)) return path;
  }
  FAIL("no device to try");
  return {};
}

/// What is made once, with the first pod and the first output, and kept.
void warm_up(Stage& stage) {
  Pod pod(stage);
  pod.run(pod.with("echo up"));
}

/// Some of what a container had is given back just after the answer to its deletion.
void check_back_to(const Holdings& before, Stage& stage) {
  constexpr std::chrono::milliseconds kPause{10};
  for (int i = 0; i < 500 && stage.agent.holdings() != before; ++i) {
    stage.loop.run(io::sleep_until(stage.loop.executor(), stage.loop.clock(), stage.loop.clock().now() + kPause));
  }
  const Holdings after = stage.holdings();
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.children == before.children);
  CHECK(after.mounts == before.mounts);
  CHECK(after.cgroups == before.cgroups);
  CHECK(after.namespaces == before.namespaces);
}

/// A disk of the host's for scratches, played by a tmpfs where the v2 shim has it mounted.
struct ScratchDisk {
  static constexpr const char* kAt = "/run/mounts/scsi/0_2_0";

  ScratchDisk() {
    test::put_dir(kAt);
    REQUIRE(::mount("tmpfs", kAt, "tmpfs", 0, nullptr) == 0);
    struct stat status {};
    REQUIRE(::stat(kAt, &status) == 0);
    number = std::to_string(major(status.st_dev)) + ":" + std::to_string(minor(status.st_dev));
  }
  ~ScratchDisk() { ::umount2(kAt, MNT_DETACH); }
  ScratchDisk(const ScratchDisk&) = delete;
  ScratchDisk& operator=(const ScratchDisk&) = delete;

  /// As the shim does it; nothing holds the device then.
  void detach(Stage& stage) {
    const auto removed = stage.loop.run(host::modify(stage.host, "Remove", "MappedVirtualDisk", {{"MountPath", kAt}}));
    CHECK_MESSAGE(removed, removed.error().message());
    CHECK(stage.loop.run(host::modify(stage.host, "Remove", "SCSIDevice", {{"Lun", 0}})));
    CHECK_FALSE(has(stage.agent.mounts(), " " + number + " "));
  }

  std::string number;  ///< as mountinfo has it
};

/// Nothing of a container but what its layers had there, which are the host's to remove.
void check_no_files_of(const Member& member) {
  for (const char* name :
       {"config.json", "hostname", "hosts", "resolv.conf", "logs", "sandboxMounts", "volumes", "rootfs"}) {
    CAPTURE(name);
    CHECK_FALSE(exists(member.bundle + "/" + name));
    CHECK_FALSE(exists(member.scratch + "/bundle/" + name));
  }
}

}  // namespace

TEST_CASE("pod: its workloads share volumes, and have the sandbox's name, hosts and resolver") {
  Stage stage;
  Pod pod(stage);
  Member one =
      pod.with("echo from one >/shared/file; cat /etc/hostname; grep -c mypod /etc/hosts; ls /etc/resolv.conf");
  one.mount("sandbox:///vol", "/shared");
  CHECK(pod.run(one) == "mypod.example\n1\n/etc/resolv.conf\n");
  Member two = pod.with("cat /shared/file; ls -d /memory; stat -c %a /shared; wc -l </uvm");
  two.mount("sandbox://vol", "/shared");
  two.mount("sandbox-tmp://mem", "/memory");
  two.mount("uvm:///etc/passwd", "/uvm");
  const std::string said = pod.run(two);
  CHECK(has(said, "from one\n/memory\n"));
  CHECK(get_file(pod.box.bundle + "/sandboxMounts/vol/file") == "from one\n");
}

TEST_CASE("pod: a link that a workload planted in a volume leads the next one nowhere") {
  Stage stage;
  Pod pod(stage);
  Member planter = pod.with("ln -s /etc /vol/link; ln -s ../../.. /vol/up");
  planter.mount("sandbox://vol", "/vol");
  pod.run(planter);
  for (const std::string& source : std::vector<std::string>{"sandbox://vol/link", "sandbox://../../../../etc"}) {
    CAPTURE(source);
    Member victim = pod.with("ls /loot");
    victim.mount(source, "/loot");
    CHECK_FALSE(create(stage, victim).empty());
  }
  Member victim = pod.with("ls /loot | wc -l");
  victim.mount("sandbox://vol/up/etc", "/loot");  // above the volumes there is nothing: a new one of them
  CHECK(pod.run(victim) == "0\n");
}

TEST_CASE("pod: annotations give a workload its /dev/shm, its core limit and its user's ids") {
  Stage stage;
  Pod pod(stage);
  Member member = pod.with("grep /dev/shm /proc/mounts; ulimit -c; ulimit -H -c; id -u; id -g");
  member.annotate("io.microsoft.lcow.shm.size-kb", "4096");
  member.annotate("io.microsoft.lcow.rlimitcore", "1024;2048");
  member.oci["process"]["user"]["username"] = "test";
  const std::string said = pod.run(member);
  CAPTURE(said);
  CHECK(has(said, "size=4096k"));
  CHECK(has(said, "\n2\n4\n1000\n1000\n"));  // in blocks of 512 bytes
}

TEST_CASE("pod: a device is the VM's, a privileged workload has them all") {
  Stage stage;
  Pod pod(stage);
  const std::string device = some_device();
  // What the document says of it is the host's, and wrong here.
  Member member = pod.with("test -c " + device + " && : <" + device + " && echo opened");
  member.oci["linux"]["devices"] = {{{"path", device}, {"type", "b"}, {"major", 200}, {"minor", 200}}};
  CHECK(pod.run(member) == "opened\n");
  member = pod.with("true");
  member.oci["linux"]["devices"] = {{{"path", "/dev/no-such"}, {"type", "c"}}};
  CHECK(has(create(stage, member), "linux.devices[0].path"));
  member = pod.with(": <" + device + " && echo all");
  member.annotate("io.microsoft.virtualmachine.lcow.privileged", "true");
  CHECK(pod.run(member) == "all\n");
}

TEST_CASE("pod: cgroups are the pod's and, below it, each container's, with the limits of their documents") {
  Stage stage;
  Member box = sandbox(kSleep);
  box.oci["linux"]["resources"]["memory"]["limit"] = 268435456;
  box.oci["linux"]["resources"]["cpu"] = {{"shares", 512}, {"quota", -1}, {"period", 100000}};
  Pod pod(stage, box);
  CHECK(cgroup_file(box.id, "", "memory.limit_in_bytes", "memory.max") == "268435456\n");
  Member member = pod.with("sleep 1000");
  member.oci["linux"]["resources"]["memory"]["limit"] = 134217728;
  REQUIRE(create(stage, member).empty());
  const auto process = start(stage, member, {false, false, false});
  CHECK(cgroup_file(box.id, member.id, "memory.limit_in_bytes", "memory.max") == "134217728\n");
  json update = {{"ContainerId", member.id}};
  update["Request"] = {{"RequestType", "Update"}, {"ResourceType", "ContainerConstraints"}};
  update["Request"]["Settings"]["Linux"]["memory"]["limit"] = 67108864;
  CHECK(stage.refusal(host::Message::modify_settings, update) == "");
  CHECK(cgroup_file(box.id, member.id, "memory.limit_in_bytes", "memory.max") == "67108864\n");
  remove(stage, member);
}

TEST_CASE("pod: a container's processor time is limited, and no longer limited, while it runs") {
  Stage stage;
  Pod pod(stage);
  const auto update = [&](json cpu) {
    json body = {{"ContainerId", pod.box.id}};
    body["Request"] = {{"RequestType", "Update"}, {"ResourceType", "ContainerConstraints"}};
    body["Request"]["Settings"]["Linux"]["cpu"] = std::move(cpu);
    return stage.refusal(host::Message::modify_settings, body);
  };
  const auto quota = [&pod] {
    const std::string text = cgroup_file(pod.box.id, pod.box.id, "cpu.cfs_quota_us", "cpu.max");
    return text.substr(0, text.find_first_of(" \n"));
  };
  for (const json& unlimited : {json{{"quota", -1}}, json{{"quota", -1}, {"period", 50000}, {"shares", 300}}}) {
    CHECK(update({{"quota", 20000}, {"period", 100000}}) == "");
    CHECK(quota() == "20000");
    CHECK(update(unlimited) == "");
    CHECK((quota() == "-1" || quota() == "max"));
    CHECK(update({{"shares", 512}}) == "");
    CHECK((quota() == "-1" || quota() == "max"));  // nor does it come back
  }
  CHECK(has(update({{"quota", "all"}}), "cpu.quota: not such a number"));
}

TEST_CASE("pod: a workload may run on a processor that its sandbox may not") {
  if (std::thread::hardware_concurrency() < 2) {
    MESSAGE("skipped: this machine has one processor");
    return;
  }
  Stage stage;
  Member box = sandbox(kSleep);
  box.oci["linux"]["resources"]["cpu"]["cpus"] = "0";
  Pod pod(stage, box);
  Member member = pod.with("grep Cpus_allowed_list /proc/self/status");
  member.oci["linux"]["resources"]["cpu"]["cpus"] = "1";
  CHECK(pod.run(member) == "Cpus_allowed_list:\t1\n");
}

TEST_CASE("pod: constraints for Windows are passed over, those for Linux beside them are not") {
  Stage stage;
  Pod pod(stage);
  json body = {{"ContainerId", pod.box.id}};
  body["Request"] = {{"RequestType", "Update"}, {"ResourceType", "ContainerConstraints"}};
  body["Request"]["Settings"]["Windows"] = {{"memory", {{"limit", 1}}}, {"cpu", {{"maximum", 1}}}};
  body["Request"]["Settings"]["Linux"]["memory"]["limit"] = 67108864;
  CHECK(stage.refusal(host::Message::modify_settings, body) == "");
  CHECK(cgroup_file(pod.box.id, pod.box.id, "memory.limit_in_bytes", "memory.max") == "67108864\n");
}

TEST_CASE("pod: one that runs out of memory is killed, reported as such, and the pod goes on") {
  Stage stage;
  Pod pod(stage);
  Member member = workload(pod.box, {"dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1"});
  member.oci["linux"]["resources"]["memory"]["limit"] = 16 << 20;
  REQUIRE(create(stage, member).empty());
  const auto process = start(stage, member, {false, false, false});
  const auto code = stage.loop.run(process->wait());
  REQUIRE(code);
  CHECK(*code == 137);
  const auto told = stage.loop.run(stage.host.exited(member.id));
  REQUIRE(told);
  CHECK((*told)["Type"] == "UnexpectedExit");
  std::string report;
  auto reported = [&] {
    std::ifstream log(kAgentLog);
    while (std::getline(log, report) && !log.eof()) {
      if (has(report, "exceeded threshold") && has(report, "oom") && has(report, member.id)) return true;
    }
    return false;
  };
  stage.loop.look_until(reported);
  for (const std::string& field :
       std::vector<std::string>{"cgroup=\"/pods/", "thresholdBytes=", "count=", "memoryUsage=", "memoryUsageMax=",
                                "memoryUsageLimit=", "swapUsage=", "swapUsageMax=", "swapUsageLimit=", "kernelUsage=",
                                "kernelUsageMax=", "kernelUsageLimit=", "oomKill=", "cgroup_version=\"v"}) {
    CAPTURE(field);
    CHECK(has(report, " " + field));
  }
  remove(stage, member, true);
  CHECK(exec(stage, pod.box, {"echo", "alive"}) == "alive\n");
}

TEST_CASE("pod: the memory limit of all pods is set right when the host asks for it") {
  Stage stage;
  const std::string limit = cgroup_file("", "", "memory.limit_in_bytes", "memory.max");
  const bool v1 = exists("/sys/fs/cgroup/memory/pods");
  const char* file = v1 ? "/sys/fs/cgroup/memory/pods/memory.limit_in_bytes" : "/sys/fs/cgroup/pods/memory.max";
  REQUIRE(io::write_file(file, "1073741824"));
  json request = {{"ContainerId", "00000000-0000-0000-0000-000000000000"}};
  request["Request"] = {{"RequestType", "Update"}, {"ResourceType", "PodCgroupMemoryLimit"}};
  CHECK(stage.refusal(host::Message::modify_settings, request) == "");
  CHECK(get_file(file) == limit);
  request["Request"]["RequestType"] = "Add";
  CHECK(stage.refusal(host::Message::modify_settings, request) == "the RequestType \"Add\" is not supported");
}

TEST_CASE("pod: what it cannot be is refused, and nothing of it stays") {
  Stage stage;
  Pod pod(stage);
  const auto before = stage.holdings();
  Member member = pod.with("true");
  member.oci["hostname"] = "x";
  CHECK(create(stage, member) == "workload container must not change hostname: x");
  member = pod.with("true");
  member.annotate("io.kubernetes.cri.sandbox-id", "nobody");
  CHECK(has(create(stage, member), "pod nobody does not exist"));
  member = pod.with("true");
  member.annotate("io.kubernetes.cri.container-type", "other");
  CHECK(has(create(stage, member), "unsupported 'io.kubernetes.cri.container-type': 'other'"));
  member = pod.with("true");
  member.annotate("io.microsoft.lcow.shm.size-kb", "0");
  CHECK(has(create(stage, member), "shm.size-kb"));
  member = pod.with("true");
  member.oci["process"]["user"]["username"] = "stranger";
  CHECK(has(create(stage, member), "process.user.username"));
  Member alone = sandbox(kSleep);  // whose adapters were to come before it
  alone.annotate("io.microsoft.cri.skip-pod-networking", "false");
  CHECK(has(create(stage, alone), "network namespace"));
  check_back_to(before, stage);
  check_no_files_of(member);
}

TEST_CASE("pod: a sandbox whose networking is to be skipped needs no adapter, however the word is written") {
  Stage stage;
  for (const char* skip : {"TRUE", "True", "tRuE"}) {
    CAPTURE(skip);
    Member box = sandbox({"true"});
    box.annotate("io.microsoft.cri.skip-pod-networking", skip);
    REQUIRE(create(stage, box) == "");
    start(stage, box, {false, false, false});
    remove(stage, box, true);
  }
}

TEST_CASE("pod: a sandbox that fails half-way, at its document or at its limits, leaves nothing") {
  Stage stage;
  warm_up(stage);
  const auto before = stage.holdings();
  for (const bool is_virtual : {false, true}) {
    CAPTURE(is_virtual);
    Member box = sandbox(kSleep);
    if (is_virtual) box.annotate("io.microsoft.cri.virtual-pod-id", box.id);
    Member strange = box;
    strange.oci["process"]["user"]["username"] = "stranger";
    CHECK(has(create(stage, strange), "process.user.username"));
    check_no_files_of(strange);
    Member greedy = box;
    greedy.oci["linux"]["resources"]["memory"]["swap"] = 1'000'000;  // less than the memory, which has no limit
    CHECK_FALSE(create(stage, greedy).empty());
    check_no_files_of(greedy);
    CHECK_FALSE(exists("/run/gcs/c/virtual-pods"));
    check_back_to(before, stage);
    Pod pod(stage, box);  // the ids are free
  }
  check_back_to(before, stage);
}

TEST_CASE("pod: a Create that fails at the very end leaves no mount, no cgroup and no file, and the ids are free") {
  auto settings = settings_from_environment();
  std::ofstream("/run/late-failure") << "#!/bin/sh\n"
                                     << "case \"$*\" in *' create '*) [ -e /run/fail ] && exit 1;; esac\n"
                                     << "exec " << settings.runtime << " \"$@\"\n";
  std::filesystem::permissions("/run/late-failure", std::filesystem::perms::all);
  settings.runtime = "/run/late-failure";
  Stage stage(settings);
  warm_up(stage);
  const auto before = stage.holdings();
  for (const Layout layout : {Layout::v1, Layout::v2}) {
    std::ofstream("/run/fail") << "";
    Member box = sandbox(kSleep, layout);
    CHECK_FALSE(create(stage, box).empty());
    check_back_to(before, stage);
    check_no_files_of(box);
    if (layout == Layout::v2) CHECK_FALSE(exists("/run/gcs/pods/" + box.id));
    std::filesystem::remove("/run/fail");
    Pod pod(stage, box);
    const auto with_pod = stage.holdings();
    std::ofstream("/run/fail") << "";
    Member member = workload(box, {"true"}, layout);
    CHECK_FALSE(create(stage, member).empty());
    check_back_to(with_pod, stage);
    check_no_files_of(member);
    std::filesystem::remove("/run/fail");
  }
  check_back_to(before, stage);
}

TEST_CASE("pod: both shims' directories, and the sandbox's own removal before its workload's, leave nothing") {
  Stage stage;
  warm_up(stage);
  const auto before = stage.holdings();
  for (const Layout layout : {Layout::v1, Layout::v2}) {
    const Member box = sandbox(kSleep, layout);
    REQUIRE(create(stage, box).empty());
    const auto init = start(stage, box, {false, false, false});
    Member member = workload(box, {"sh", "-c", "sleep 1000"}, layout);
    member.mount("sandbox://vol", "/vol");
    REQUIRE(create(stage, member).empty());
    const auto process = start(stage, member, {false, false, false});
    remove(stage, box);
    CHECK(exec(stage, member, {"cat", "/etc/hostname"}) == "mypod.example\n");
    remove(stage, member);
    check_back_to(before, stage);
    CHECK_FALSE(exists(box.bundle));
    CHECK_FALSE(exists(member.bundle));
    CHECK_FALSE(exists(box.scratch));
    CHECK_FALSE(exists(member.scratch));
    if (layout == Layout::v2) CHECK_FALSE(exists("/run/gcs/pods/" + box.id));
  }
}

TEST_CASE("pod: the v2 shim's order of removals gives a scratch disk back, also after a Create that failed") {
  Stage stage;
  warm_up(stage);
  ScratchDisk disk;
  const auto before = stage.holdings();
  {
    Pod pod(stage, Layout::v2);
    Member member = pod.with("echo x >/file; cat /file");
    CHECK(pod.run(member) == "x\n");
    member = pod.with("true");
    member.oci["process"]["user"]["username"] = "stranger";
    CHECK(has(create(stage, member), "process.user.username"));
    CHECK_FALSE(exists(member.bundle));
    CHECK(std::filesystem::is_empty(member.scratch + "/bundle"));
  }
  check_back_to(before, stage);
  disk.detach(stage);
}

TEST_CASE("pod: on a scratch that containers share the bundle's files are there, and go with their container") {
  Stage stage;
  warm_up(stage);
  const auto before = stage.holdings();
  {
    Pod pod(stage, Layout::v2);
    CHECK(exists(pod.box.scratch + "/bundle/config.json"));
    Member member = pod.with("echo x >/file; cat /etc/hostname; echo x >/vol/file");
    member.mount("sandbox://vol", "/vol");
    CHECK(pod.run(member) == "mypod.example\n");
    CHECK_FALSE(exists(member.scratch));
    CHECK(get_file(pod.box.scratch + "/bundle/sandboxMounts/vol/file") == "x\n");
  }
  check_back_to(before, stage);
}

TEST_CASE("pod: a sandbox's layers that are removed after it leave the bundle to its workloads, until the last goes") {
  Stage stage;
  warm_up(stage);
  const auto before = stage.holdings();
  const Member box = sandbox(kSleep, Layout::v2);
  REQUIRE(create(stage, box).empty());
  const auto init = start(stage, box, {false, false, false});
  Member member = workload(box, {"sleep", "1000"}, Layout::v2);
  REQUIRE(create(stage, member).empty());
  const auto process = start(stage, member, {false, false, false});
  REQUIRE(stage.loop.run(host::shut_down(stage.host, box.id, true)));
  REQUIRE(stage.loop.run(stage.host.exited(box.id)));
  CHECK(stage.refusal(host::Message::delete_container_state, {{"ContainerId", box.id}}) == "");
  CHECK(layers(stage, box, "Remove") == "");
  CHECK(exec(stage, member, {"cat", "/etc/hostname"}) == "mypod.example\n");
  CHECK(exists(box.bundle + "/hostname"));
  remove(stage, member);
  check_back_to(before, stage);
  CHECK_FALSE(exists(box.bundle));
}

TEST_CASE("pod: layers without a container that follows leave no mount over the bundle, and no directory") {
  Stage stage;
  const auto before = stage.holdings();
  const Member box = sandbox(kSleep, Layout::v2);
  for (int round = 0; round < 2; ++round) {
    REQUIRE(layers(stage, box, "Add") == "");
    CHECK(layers(stage, box, "Remove") == "");
    CHECK(layers(stage, box, "Remove") == "");
    check_back_to(before, stage);
    CHECK_FALSE(exists("/run/gcs/pods/" + box.id));
  }
}

TEST_CASE("pod: a container that is deleted before its layers leaves nothing once those are removed, too") {
  Stage stage;
  warm_up(stage);
  const auto before = stage.holdings();
  const Member box = sandbox({"true"}, Layout::v2);
  REQUIRE(create(stage, box).empty());
  const auto process = start(stage, box, {false, false, false});
  REQUIRE(stage.loop.run(stage.host.exited(box.id)));
  const std::string said = stage.refusal(host::Message::delete_container_state, {{"ContainerId", box.id}});
  CHECK(has(said, "delete the bundle"));  // for its root file system is mounted there
  CHECK(layers(stage, box, "Remove") == "");
  check_back_to(before, stage);
  check_no_files_of(box);
}

TEST_CASE("pod: a virtual pod's containers share its root, which goes with it") {
  Stage stage;
  warm_up(stage);
  const auto before = stage.holdings();
  Member box = sandbox(kSleep);
  box.annotate("io.kubernetes.cri.container-type", "container");  // as hosts send it for a virtual pod's first one
  box.annotate("io.microsoft.cri.virtual-pod-id", box.id);
  const std::string root = "/run/gcs/c/virtual-pods/" + box.id;
  {
    Pod pod(stage, box);
    CHECK(get_file(root + "/hostname") == "mypod.example\n");
    Member member = pod.with("cat /etc/hostname; echo x >/vol/file");
    member.annotate("io.microsoft.cri.virtual-pod-id", box.id);
    member.annotate("io.kubernetes.cri.sandbox-id", "another");
    member.mount("sandbox://vol", "/vol");
    CHECK(pod.run(member) == "mypod.example\n");
    CHECK(get_file(root + "/sandboxMounts/vol/file") == "x\n");
  }
  check_back_to(before, stage);
  CHECK_FALSE(exists("/run/gcs/c/virtual-pods"));
}

TEST_CASE("pod: after many pods in a row, each with a workload, no descriptor, mount, cgroup or memory is kept") {
  const char* wanted = std::getenv("PODS");
  const int rounds = wanted == nullptr ? 20 : std::atoi(wanted);
  Stage stage;
  auto live_and_die = [&] {
    Pod pod(stage);
    Member member = pod.with("echo up");
    member.mount("sandbox://vol", "/vol");
    member.mount("sandbox-tmp://vol", "/tmpvol");
    CHECK(pod.run(member) == "up\n");
  };
  for (int warm = 0; warm < 5; ++warm) live_and_die();  // what is made once and kept is there now
  const auto before = stage.holdings();
  const uint64_t rss = stage.agent.footprint()->rss_kib;
  for (int round = 0; round < rounds; ++round) live_and_die();
  check_back_to(before, stage);
  if (!stage.agent.sanitized()) CHECK(stage.agent.footprint()->rss_kib < rss + 1024);
}

}  // namespace gcs::testing
