#include "runtime/spec_edit.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "runtime/spec_process.h"
#include "tests/support/temp_dir.h"

using namespace gcs;
using namespace gcs::runtime;
using namespace gcs::test;
using nlohmann::json;

namespace {

json plain_spec() {
  return json::parse(R"({
    "process": {"args": ["sh"], "cwd": "/", "user": {"uid": 0, "gid": 0}},
    "root": {"path": "/b/rootfs"},
    "hostname": "pod.example",
    "linux": {"namespaces": [{"type": "pid"}, {"type": "network"}, {"type": "mount"}], "cgroupsPath": "elsewhere"},
    "windows": {"network": {"networkNamespace": "ABC-1"}, "layerFolders": null},
    "unknown": {"kept": 1}
  })");
}

const NetworkNames kNames = {"vm-name", {{"local"}, {"10.0.0.1"}}};

SpecPlace alone() {
  return {"c1", "/b", {ContainerKind::standalone, "c1", false}, PodPaths("/b"), false, kNames, {}};
}

ContainerTraits prepare(json& spec) {
  auto prepared = prepare_spec(spec, alone());
  REQUIRE_MESSAGE(prepared, prepared.error().message());
  return std::move(prepared->traits);
}

/// A pod's root in a directory of its own, with a root file system in which "web" is 33:44.
struct Pod {
  TempDir dir;
  PodPaths paths{dir / "pod"};
  SpecPlace place{"c1", dir / "bundle", {ContainerKind::workload, "s1", false}, paths, false, kNames, {}};

  Pod() {
    put_dir(paths.mounts);
    put_dir(paths.tmpfs);
    put_dir(paths.hugepages);
    put_dir(paths.logs);
    put_file(dir / "bundle/rootfs/etc/passwd", "web:x:33:44::/:\n");
  }

  json spec() const {
    json made = plain_spec();
    made["root"]["path"] = dir / "bundle/rootfs";
    made.erase("hostname");
    return made;
  }
};

const json* mount_at(const json& spec, const std::string& destination) {
  for (const json& mount : spec["mounts"]) {
    if (mount["destination"] == destination) return &mount;
  }
  return nullptr;
}

json bind(const char* file, json options) {
  return {{"destination", std::string("/etc/") + file},
          {"type", "bind"},
          {"source", std::string("/b/") + file},
          {"options", std::move(options)}};
}

}  // namespace

TEST_CASE("standalone: the cgroup is below /pods, the Windows part goes, the unknown stays") {
  json spec = plain_spec();
  const ContainerTraits traits = prepare(spec);
  CHECK(spec["linux"]["cgroupsPath"] == "/pods/c1");
  CHECK(traits.cgroups_path == "/pods/c1");
  CHECK_FALSE(spec.contains("windows"));
  CHECK(spec["unknown"] == json{{"kept", 1}});
  CHECK(spec["linux"]["namespaces"].size() == 3);
}

TEST_CASE("standalone: what the document no longer says is remembered") {
  json spec = plain_spec();
  spec["process"]["terminal"] = true;
  spec["process"]["rlimits"] = json::parse(R"([{"type":"RLIMIT_CORE","soft":1,"hard":2}])");
  spec["process"]["user"]["username"] = "web";
  const json user = spec["process"]["user"];
  const ContainerTraits traits = prepare(spec);
  CHECK(traits.terminal);
  CHECK(traits.owns_pid_namespace);
  CHECK_FALSE(traits.host_network);
  CHECK(traits.network_namespace == "abc-1");
  CHECK(traits.rootfs == "/b/rootfs");
  CHECK(json::parse(traits.rlimits) == spec["process"]["rlimits"]);
  CHECK(json::parse(traits.user) == user);
}

TEST_CASE("standalone: hostname, hosts and resolv.conf are mounted from the bundle") {
  json spec = plain_spec();
  const ContainerTraits traits = prepare(spec);
  CHECK(spec["mounts"] ==
        json::array({bind("hostname", {"bind"}), bind("hosts", {"bind"}), bind("resolv.conf", {"bind"})}));
  REQUIRE(traits.files.size() == 3);
  CHECK(traits.files[0].name == "hostname");
  CHECK(traits.files[0].text == "pod.example\n");
  CHECK(traits.files[1].text == hosts_text("pod.example"));
  CHECK(traits.files[2].text == "search local\nnameserver 10.0.0.1\n");
}

TEST_CASE("standalone: a container without a name has the VM's in its files") {
  json spec = plain_spec();
  SUBCASE("absent") {
    spec.erase("hostname");
  }
  SUBCASE("empty") {
    spec["hostname"] = "";
  }
  CHECK(prepare(spec).files[0].text == "vm-name\n");
}

TEST_CASE("standalone: with a read-only root the files are mounted read-only") {
  json spec = plain_spec();
  spec["root"]["readonly"] = true;
  prepare(spec);
  CHECK(spec["mounts"][0] == bind("hostname", {"bind", "ro"}));
}

TEST_CASE("standalone: where the host mounts something itself, that stays alone") {
  json spec = plain_spec();
  spec["mounts"] = json::parse(R"([{"destination":"/etc//hosts/","source":"/x"},{"destination":"etc/./resolv.conf"}])");
  const json before = spec["mounts"];
  const ContainerTraits traits = prepare(spec);
  REQUIRE(traits.files.size() == 1);
  CHECK(traits.files[0].name == "hostname");
  REQUIRE(spec["mounts"].size() == 3);
  CHECK(spec["mounts"][0] == before[0]);
  CHECK(spec["mounts"][1] == before[1]);
  CHECK(spec["mounts"][2]["destination"] == "/etc/hostname");
}

TEST_CASE("standalone: with the annotation for the VM's network there is no network namespace") {
  json spec = plain_spec();
  spec["annotations"]["io.microsoft.virtualmachine.lcow.hostnetwork"] = "true";
  CHECK(prepare(spec).host_network);
  CHECK(spec["linux"]["namespaces"] == json::parse(R"([{"type":"pid"},{"type":"mount"}])"));
}

TEST_CASE("standalone: null parts are filled in where something is to be put") {
  json spec = plain_spec();
  spec["mounts"] = nullptr;
  spec["linux"]["namespaces"] = nullptr;
  spec["windows"] = nullptr;
  spec["annotations"] = nullptr;
  CHECK(prepare(spec).network_namespace.empty());
  CHECK(spec["mounts"].size() == 3);
}

TEST_CASE("standalone: a document that fails its check, and too many search domains, are refused") {
  json spec = plain_spec();
  spec["process"].erase("args");
  CHECK(prepare_spec(spec, alone()).error().code() == Errc::malformed);
  spec = plain_spec();
  SpecPlace many = alone();
  many.names.dns.search.assign(7, "x");
  CHECK(prepare_spec(spec, many).error().code() == Errc::invalid_argument);
}

TEST_CASE("any kind: hooks of others are refused, for they would run as root of the VM") {
  json spec = plain_spec();
  spec["hooks"] = json::parse(R"({"prestart": [{"path": "/bin/evil"}]})");
  const auto refused = prepare_spec(spec, alone());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == Errc::unsupported);
  CHECK(refused.error().message().find("/bin/evil") != std::string::npos);
  for (const char* path :
       {"/run/gcs/c/other/rootfs/bin/generichook", "/usr/bin/../../run/generichook", "generichook"}) {
    CAPTURE(path);
    spec = plain_spec();
    spec["hooks"]["prestart"][0]["path"] = path;
    CHECK_FALSE(prepare_spec(spec, alone()));
  }
  spec = plain_spec();
  spec["hooks"] = json::parse(R"({"createRuntime": [{"path": "/usr/bin/generichook"}], "poststop": []})");
  const json hooks = spec["hooks"];
  prepare(spec);
  CHECK(spec["hooks"] == hooks);
}

TEST_CASE("any kind: a quota of -1, which hosts send for no limit, is left out, and any other stays") {
  json spec = plain_spec();
  spec["linux"]["resources"]["cpu"] = json::parse(R"({"quota": -1, "period": 100000, "shares": 2})");
  prepare(spec);
  CHECK(spec["linux"]["resources"]["cpu"] == json::parse(R"({"period": 100000, "shares": 2})"));
  spec["linux"]["resources"]["cpu"]["quota"] = 50000;
  prepare(spec);
  CHECK(spec["linux"]["resources"]["cpu"]["quota"] == 50000);
}

TEST_CASE("any kind: seccomp and what else we do not know passes through") {
  json spec = plain_spec();
  spec["linux"]["seccomp"] = json::parse(R"({"defaultAction": "SCMP_ACT_ERRNO", "flags": ["X"]})");
  spec["linux"]["intelRdt"] = "y";
  prepare(spec);
  CHECK(spec["linux"]["seccomp"]["flags"] == json::array({"X"}));
  CHECK(spec["linux"]["intelRdt"] == "y");
}

TEST_CASE("any kind: a tee log is a path below the logs, and the logs are shown where the host says") {
  json spec = plain_spec();
  spec["annotations"]["io.microsoft.container.lcow.tee-log-path"] = "a//b.log";
  spec["annotations"]["io.microsoft.container.lcow.tee-log-dir-mount"] = "/var/logs";
  const ContainerTraits traits = prepare(spec);
  CHECK(traits.logs_dir == "/b/logs");
  CHECK(traits.tee_log == "/a/b.log");
  REQUIRE(mount_at(spec, "/var/logs") != nullptr);
  CHECK((*mount_at(spec, "/var/logs"))["source"] == "/b/logs");
  for (const char* path : {"../x", "a/../../x", "/", "."}) {
    CAPTURE(path);
    spec = plain_spec();
    spec["annotations"]["io.microsoft.container.lcow.tee-log-path"] = path;
    CHECK(prepare_spec(spec, alone()).error().code() == Errc::invalid_argument);
  }
}

TEST_CASE("sandbox: its files are the pod's, nothing is mounted in it, and its user is looked up") {
  const Pod pod;
  json spec = pod.spec();
  spec["hostname"] = "pod.example";
  spec["process"]["user"]["username"] = "web";
  spec["annotations"]["io.microsoft.lcow.rlimitcore"] = "5;7";
  SpecPlace place = pod.place;
  place.placement.kind = ContainerKind::sandbox;
  const auto prepared = prepare_spec(spec, place);
  REQUIRE_MESSAGE(prepared, prepared.error().message());
  CHECK(prepared->traits.files.size() == 3);
  CHECK(prepared->traits.files[1].text == hosts_text("pod.example"));
  CHECK_FALSE(spec.contains("mounts"));
  CHECK(spec["process"]["user"] == json::parse(R"({"uid":33,"gid":44,"username":"web"})"));
  CHECK(spec["process"]["rlimits"] == json::parse(R"([{"type":"RLIMIT_CORE","soft":5,"hard":7}])"));
  CHECK(spec["linux"]["cgroupsPath"] == "/pods/s1/c1");
  CHECK(prepared->traits.network_namespace == "abc-1");
}

TEST_CASE("workload: the pod's files are mounted, its network is the pod's, and a host name is refused") {
  const Pod pod;
  json spec = pod.spec();
  SpecPlace place = pod.place;
  place.pod_host_network = true;
  auto prepared = prepare_spec(spec, place);
  REQUIRE_MESSAGE(prepared, prepared.error().message());
  CHECK((*mount_at(spec, "/etc/hosts"))["source"] == pod.paths.root + "/hosts");
  CHECK(prepared->traits.files.empty());
  CHECK(prepared->traits.network_namespace.empty());
  CHECK(spec["linux"]["namespaces"] == json::parse(R"([{"type":"pid"},{"type":"mount"}])"));
  CHECK(spec["linux"]["cgroupsPath"] == "/pods/s1/c1");
  spec = pod.spec();
  spec["hostname"] = "x";
  prepared = prepare_spec(spec, pod.place);
  REQUIRE_FALSE(prepared);
  CHECK(prepared.error().code() == Errc::unsupported);
}

TEST_CASE("workload: /dev/shm has the size of the annotation, once") {
  const Pod pod;
  json spec = pod.spec();
  spec["mounts"] = json::parse(R"([{"destination":"/dev/shm/","type":"tmpfs","source":"a"},{"destination":"/x"}])");
  spec["annotations"]["io.microsoft.lcow.shm.size-kb"] = "123";
  REQUIRE(prepare_spec(spec, pod.place));
  CHECK(mount_at(spec, "/dev/shm/") == nullptr);
  CHECK((*mount_at(spec, "/dev/shm"))["options"][4] == "size=123k");
  for (const char* size : {"", "0", "x", "1k", "-1", "99999999999999999999999"}) {
    CAPTURE(size);
    spec = pod.spec();
    spec["annotations"]["io.microsoft.lcow.shm.size-kb"] = size;
    CHECK(prepare_spec(spec, pod.place).error().code() == Errc::invalid_argument);
  }
}

TEST_CASE("workload: the core limit replaces one that is there, and is what execs get") {
  const Pod pod;
  json spec = pod.spec();
  spec["process"]["rlimits"] = json::parse(R"([{"type":"RLIMIT_CORE","soft":0,"hard":0},{"type":"RLIMIT_NOFILE"}])");
  spec["annotations"]["io.microsoft.lcow.rlimitcore"] = "0;18446744073709551615";
  const auto prepared = prepare_spec(spec, pod.place);
  REQUIRE(prepared);
  const json& limits = spec["process"]["rlimits"];
  REQUIRE(limits.size() == 2);
  CHECK(limits[1]["hard"] == 18446744073709551615ULL);
  CHECK(json::parse(prepared->traits.rlimits) == limits);
  for (const char* value : {"1", "1;", ";1", "1;2;3", "a;b", "-1;2"}) {
    CAPTURE(value);
    spec = pod.spec();
    spec["annotations"]["io.microsoft.lcow.rlimitcore"] = value;
    CHECK(prepare_spec(spec, pod.place).error().code() == Errc::invalid_argument);
  }
}

TEST_CASE("workload: devices are what they are in the VM, whatever the document says of them") {
  const Pod pod;
  json spec = pod.spec();
  spec["linux"]["devices"] =
      json::parse(R"([{"path":"/dev/null","type":"b","major":9,"minor":9,"fileMode":438,"more":1}])");
  REQUIRE(prepare_spec(spec, pod.place));
  const json& device = spec["linux"]["devices"][0];
  CHECK(device["type"] == "c");
  CHECK(device["major"] == 1);
  CHECK(device["minor"] == 3);
  CHECK(device["fileMode"] == 438);
  CHECK(device["more"] == 1);
  CHECK(spec["linux"]["resources"]["devices"][0] ==
        json::parse(R"({"allow":true,"type":"c","major":1,"minor":3,"access":"rwm"})"));
  for (const char* path : {"/dev/no-such", "/etc/passwd"}) {
    spec = pod.spec();
    spec["linux"]["devices"] = {{{"path", path}}};
    const auto refused = prepare_spec(spec, pod.place);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message().find("linux.devices[0].path") != std::string::npos);
  }
}

TEST_CASE("workload: a privileged one gets every device, and leave to use them") {
  const Pod pod;
  json spec = pod.spec();
  spec["annotations"]["io.microsoft.virtualmachine.lcow.privileged"] = "true";
  spec["linux"]["resources"]["devices"] = json::parse(R"([{"allow":false,"access":"rwm"}])");
  REQUIRE(prepare_spec(spec, pod.place));
  CHECK(spec["linux"]["resources"]["devices"] == json::parse(R"([{"allow":true,"access":"rwm"}])"));
  size_t nulls = 0;
  for (const json& device : spec["linux"]["devices"]) {
    const auto path = device["path"].get<std::string>();
    CHECK_FALSE(path.starts_with("/dev/pts/"));
    nulls += path == "/dev/null" ? 1 : 0;
  }
  CHECK(nulls == 1);
}

TEST_CASE("exec: it has the container's rlimits, and none if that has none") {
  const json limits = json::parse(R"([{"type":"RLIMIT_NOFILE","soft":1,"hard":2}])");
  json process = json::parse(R"({"args":["sh"],"cwd":"/","rlimits":[{"type":"RLIMIT_CORE"}],"terminal":true})");
  ContainerTraits traits;
  traits.rlimits = limits.dump();
  CHECK(*prepare_exec(process, traits));
  CHECK(process["rlimits"] == limits);
  traits.rlimits.clear();
  REQUIRE(prepare_exec(process, traits));
  CHECK_FALSE(process.contains("rlimits"));
}

TEST_CASE("exec: the user that it names is looked up in the container") {
  const TempDir root;
  put_file(root / "etc/passwd", "web:x:33:44::/:\n");
  ContainerTraits traits;
  traits.rootfs = root.path();
  traits.user = R"({"uid":1,"gid":1,"username":"other"})";
  json process = json::parse(R"({"args":["id"],"cwd":"/","user":{"uid":0,"gid":0,"username":"web","umask":18}})");
  CHECK_FALSE(*prepare_exec(process, traits));
  CHECK(process["user"] == json::parse(R"({"uid":33,"gid":44,"username":"web","umask":18})"));

  process["user"]["username"] = "nobody";
  const auto unknown = prepare_exec(process, traits);
  REQUIRE_FALSE(unknown);
  CHECK(unknown.error().code() == Errc::not_found);
  CHECK(unknown.error().message().starts_with("OciProcess.user.username"));
}

TEST_CASE("exec: without a name it is the container's named user, or else its own ids") {
  json process = json::parse(R"({"args":["id"],"cwd":"/","user":{"uid":5,"gid":6}})");
  ContainerTraits traits;
  REQUIRE(prepare_exec(process, traits));
  CHECK(process["user"] == json::parse(R"({"uid":5,"gid":6})"));
  traits.user = R"({"uid":33,"gid":44,"username":"web"})";
  REQUIRE(prepare_exec(process, traits));
  CHECK(process["user"] == json::parse(traits.user));
  process.erase("user");
  REQUIRE(prepare_exec(process, traits));
  CHECK(process["user"] == json::parse(traits.user));
}

TEST_CASE("exec: a process object that fails its check is refused") {
  json process = json::parse(R"({"args":[],"cwd":"/"})");
  CHECK(prepare_exec(process, {}).error().code() == Errc::invalid_argument);
}
