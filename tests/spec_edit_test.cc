#include "runtime/spec_edit.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

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

ContainerTraits prepare(json& spec) {
  auto traits = prepare_standalone(spec, "c1", "/b", kNames);
  REQUIRE(traits);
  return std::move(*traits);
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
  CHECK(prepare_standalone(spec, "c1", "/b", kNames).error().code() == Errc::malformed);
  spec = plain_spec();
  NetworkNames many = kNames;
  many.dns.search.assign(7, "x");
  CHECK(prepare_standalone(spec, "c1", "/b", many).error().code() == Errc::invalid_argument);
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
