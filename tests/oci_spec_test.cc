#include "runtime/oci_spec.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>
#include <vector>

using namespace gcs;
using namespace gcs::runtime;
using nlohmann::json;

namespace {

json good_spec() {
  return json::parse(R"({
    "ociVersion": "1.1.0",
    "process": {"terminal": true, "user": {"uid": 0, "gid": 4294967295, "username": "root"}, "args": ["sh", ""],
                "env": ["A=1"], "cwd": "/", "rlimits": [{"type": "RLIMIT_CORE", "soft": 0, "hard": 0}]},
    "root": {"path": "/run/gcs/c/a/rootfs", "readonly": true},
    "hostname": "a-1.example",
    "mounts": [{"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]}],
    "annotations": {"io.kubernetes.cri.container-type": "container"},
    "linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/proc/1/ns/net"}], "resources": {}},
    "windows": {"network": {"networkNamespace": "8F1D6B1E-9b7c"}},
    "something": {"new": [1, 2.5, null]}
  })");
}

struct Bad {
  const char* pointer;
  json value;
  Errc code;
  const char* field;
};

}  // namespace

TEST_CASE("spec: what hosts send passes, with fields that we do not know") {
  CHECK(check_spec(good_spec()));
}

TEST_CASE("spec: null counts as absent") {
  json spec = good_spec();
  for (const char* pointer : {"/mounts", "/annotations", "/windows", "/hostname", "/process/env", "/process/user",
                              "/process/terminal", "/process/rlimits", "/linux/namespaces", "/linux/resources"}) {
    spec[json::json_pointer(pointer)] = nullptr;
  }
  CHECK(check_spec(spec));
}

TEST_CASE("spec: a part of the wrong type is malformed, a wrong value invalid, and each is named") {
  const std::vector<Bad> table = {
      {"/process", nullptr, Errc::malformed, "OciSpecification.process"},
      {"/process", json::array(), Errc::malformed, "OciSpecification.process"},
      {"/process/args", nullptr, Errc::malformed, "OciSpecification.process.args"},
      {"/process/args", "sh", Errc::malformed, "OciSpecification.process.args"},
      {"/process/args", json::array(), Errc::invalid_argument, "OciSpecification.process.args"},
      {"/process/args/0", 7, Errc::malformed, "OciSpecification.process.args"},
      {"/process/args/0", std::string("a\0b", 3), Errc::invalid_argument, "OciSpecification"},
      {"/process/cwd", nullptr, Errc::malformed, "OciSpecification.process.cwd"},
      {"/process/cwd", true, Errc::malformed, "OciSpecification.process.cwd"},
      {"/process/cwd", "", Errc::invalid_argument, "OciSpecification.process.cwd"},
      {"/process/cwd", "tmp", Errc::invalid_argument, "OciSpecification.process.cwd"},
      {"/process/env", json::object(), Errc::malformed, "OciSpecification.process.env"},
      {"/process/env/0", nullptr, Errc::malformed, "OciSpecification.process.env"},
      {"/process/terminal", "yes", Errc::malformed, "OciSpecification.process.terminal"},
      {"/process/rlimits", "x", Errc::malformed, "OciSpecification.process.rlimits"},
      {"/process/user", 0, Errc::malformed, "OciSpecification.process.user"},
      {"/process/user/uid", "0", Errc::malformed, "OciSpecification.process.user.uid"},
      {"/process/user/uid", 0.5, Errc::malformed, "OciSpecification.process.user.uid"},
      {"/process/user/uid", -1, Errc::invalid_argument, "OciSpecification.process.user.uid"},
      {"/process/user/gid", 4294967296, Errc::invalid_argument, "OciSpecification.process.user.gid"},
      {"/process/user/username", 1, Errc::malformed, "OciSpecification.process.user.username"},
      {"/root", nullptr, Errc::malformed, "OciSpecification.root"},
      {"/root", "x", Errc::malformed, "OciSpecification.root"},
      {"/root/path", nullptr, Errc::malformed, "OciSpecification.root.path"},
      {"/root/path", 1, Errc::malformed, "OciSpecification.root.path"},
      {"/root/path", "", Errc::invalid_argument, "OciSpecification.root.path"},
      {"/root/readonly", 1, Errc::malformed, "OciSpecification.root.readonly"},
      {"/linux", nullptr, Errc::malformed, "OciSpecification.linux"},
      {"/linux", json::array(), Errc::malformed, "OciSpecification.linux"},
      {"/linux/namespaces", json::object(), Errc::malformed, "OciSpecification.linux.namespaces"},
      {"/linux/namespaces/1", "pid", Errc::malformed, "OciSpecification.linux.namespaces[1]"},
      {"/linux/namespaces/0/type", nullptr, Errc::malformed, "OciSpecification.linux.namespaces[0].type"},
      {"/linux/namespaces/1/path", 1, Errc::malformed, "OciSpecification.linux.namespaces[1].path"},
      {"/linux/resources", 1, Errc::malformed, "OciSpecification.linux.resources"},
      {"/linux/cgroupsPath", 1, Errc::malformed, "OciSpecification.linux.cgroupsPath"},
      {"/mounts", json::object(), Errc::malformed, "OciSpecification.mounts"},
      {"/mounts/0", nullptr, Errc::malformed, "OciSpecification.mounts[0]"},
      {"/mounts/0/destination", nullptr, Errc::malformed, "OciSpecification.mounts[0].destination"},
      {"/mounts/0/destination", "", Errc::invalid_argument, "OciSpecification.mounts[0].destination"},
      {"/mounts/0/options/0", 1, Errc::malformed, "OciSpecification.mounts[0].options"},
      {"/mounts/0/type", 1, Errc::malformed, "OciSpecification.mounts[0].type"},
      {"/annotations", "x", Errc::malformed, "OciSpecification.annotations"},
      {"/annotations/a", true, Errc::malformed, "OciSpecification.annotations"},
      {"/hostname", 1, Errc::malformed, "OciSpecification.hostname"},
      {"/hostname", "a b", Errc::invalid_argument, "OciSpecification.hostname"},
      {"/hostname", std::string(256, 'a'), Errc::invalid_argument, "OciSpecification.hostname"},
      {"/windows", 1, Errc::malformed, "OciSpecification.windows"},
      {"/windows/network", 1, Errc::malformed, "OciSpecification.windows.network"},
      {"/windows/network/networkNamespace", 1, Errc::malformed, "OciSpecification.windows.network.networkNamespace"},
      {"/something/new", std::string("\0", 1), Errc::invalid_argument, "OciSpecification"},
  };
  for (const Bad& bad : table) {
    CAPTURE(bad.pointer);
    json spec = good_spec();
    spec[json::json_pointer(bad.pointer)] = bad.value;
    const auto checked = check_spec(spec);
    REQUIRE_FALSE(checked);
    CHECK(to_string(checked.error().code()) == to_string(bad.code));
    CHECK(checked.error().message().starts_with(std::string(bad.field) + ": "));
  }
}

TEST_CASE("spec: what is no object is malformed") {
  for (const json& value : {json(), json(7), json("x"), json::array()}) {
    CHECK(check_spec(value).error().code() == Errc::malformed);
    CHECK(check_exec_process(value).error().code() == Errc::malformed);
  }
}

TEST_CASE("spec: 128 levels are the most, anywhere in the document") {
  auto nested = [](size_t levels) {
    json inner = 1;
    for (size_t i = 0; i < levels; ++i) {
      json outer = i % 2 == 0 ? json::array() : json::object();
      if (outer.is_array()) {
        outer.push_back(std::move(inner));
      } else {
        outer["a"] = std::move(inner);
      }
      inner = std::move(outer);
    }
    return inner;
  };
  json spec = good_spec();
  spec["something"] = nested(126);  // the document itself and the number are levels too
  CHECK(check_spec(spec));
  spec["something"] = nested(127);
  CHECK(check_spec(spec).error().code() == Errc::invalid_argument);
  spec["something"] = nested(100000);
  CHECK(check_spec(spec).error().code() == Errc::invalid_argument);
}

TEST_CASE("exec process: checked as the init process is, under its own name") {
  json process = good_spec()["process"];
  CHECK(check_exec_process(process));
  process["args"] = json::array();
  CHECK(check_exec_process(process).error().message().starts_with("OciProcess.args: "));
  process = good_spec()["process"];
  process.erase("cwd");
  CHECK(check_exec_process(process).error().message().starts_with("OciProcess.cwd: "));
}

TEST_CASE("spec: the container owns its pid namespace if the last entry of that type makes a new one") {
  auto owns = [](const char* namespaces) {
    json spec = good_spec();
    spec["linux"]["namespaces"] = json::parse(namespaces);
    return owns_pid_namespace(spec);
  };
  CHECK(owns(R"([{"type":"pid"}])"));
  CHECK(owns(R"([{"type":"pid","path":""}])"));
  CHECK_FALSE(owns(R"([{"type":"pid","path":"/proc/1/ns/pid"}])"));
  CHECK_FALSE(owns(R"([{"type":"mount"}])"));
  CHECK_FALSE(owns("[]"));
  CHECK_FALSE(owns("null"));
  CHECK(owns(R"([{"type":"pid","path":"/x"},{"type":"pid"}])"));
  CHECK_FALSE(owns(R"([{"type":"pid"},{"type":"pid","path":"/x"}])"));
}

TEST_CASE("spec: terminal, network namespace, cgroup and root are read where they are, and absent is empty") {
  const json spec = good_spec();
  CHECK(has_terminal(spec["process"]));
  CHECK_FALSE(has_terminal(json::object()));
  CHECK(network_namespace_of(spec) == "8f1d6b1e-9b7c");
  CHECK(network_namespace_of(json::object()).empty());
  CHECK(rootfs_of(spec, "/b") == "/run/gcs/c/a/rootfs");
  CHECK(rootfs_of(json::parse(R"({"root":{"path":"rootfs"}})"), "/b") == "/b/rootfs");
  CHECK(cgroups_path_of(spec).empty());
  CHECK(cgroups_path_of(json::parse(R"({"linux":{"cgroupsPath":"/pods/a"}})")) == "/pods/a");
}

TEST_CASE("spec: an annotation is a flag by Go's words, and junk is the fallback") {
  auto flag = [](const char* value, bool fallback) {
    json spec = good_spec();
    spec["annotations"]["a.flag"] = value;
    return annotation_flag(spec, "a.flag", fallback);
  };
  for (const char* word : {"1", "t", "T", "true", "True", "TRUE"}) CHECK(flag(word, false));
  for (const char* word : {"0", "f", "F", "false", "False", "FALSE"}) CHECK_FALSE(flag(word, true));
  for (const char* word : {"", "yes", "tRUE", " true", "2"}) {
    CHECK(flag(word, true));
    CHECK_FALSE(flag(word, false));
  }
  CHECK(annotation_flag(json::object(), "a.flag", true));
}

TEST_CASE("spec: its text has no escapes but JSON's, and ends in a newline") {
  CHECK(spec_text(json::parse(R"({"a":"<&>\n"})")) == "{\"a\":\"<&>\\n\"}\n");
}
