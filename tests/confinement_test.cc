// What a confined host may ask for, rule by rule.

#include "gcs/confinement.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "runtime/oci_fields.h"

namespace gcs::testing {
namespace {

using nlohmann::json;

const std::string kId(64, 'a');
const std::string kPod(64, 'b');

bool refuses(const Result<>& result, std::string_view field) {
  if (result) return false;
  CAPTURE(result.error().message());
  return result.error().message().starts_with(field);
}

/// As the v1 shim asks for a container of a pod.
struct Asked {
  std::string id = kId;
  std::string bundle = "/run/gcs/c/" + kId;
  std::string scratch = "/run/gcs/c/" + kPod + "/scratch/" + kId;
  json spec = {
      {"ociVersion", "1.1.0"},
      {"process", {{"args", {"sh"}}, {"cwd", "/"}, {"user", {{"uid", 0}}}}},
      {"root", {{"path", "/run/gcs/c/" + kId + "/rootfs"}}},
      {"annotations", {{"io.kubernetes.cri.container-type", "container"}, {"io.kubernetes.cri.sandbox-id", kPod}}},
      {"linux", json::object()}};

  Result<> check() const {
    bridge::Create create;
    create.base.container_id = id;
    create.bundle_path = bundle;
    create.scratch_path = scratch;
    create.spec = std::make_shared<json>(spec);
    return check_confined(create);
  }
};

}  // namespace

TEST_CASE("confined creation: the paths of the v1 shim pass") {
  Asked asked;
  CHECK(asked.check());
  asked.scratch = "/run/gcs/c/" + kId + "/scratch/" + kId;
  CHECK(asked.check());
  asked.spec["hooks"] = nullptr;
  CHECK(asked.check());
  asked.spec.erase("annotations");  // a container of its own
  CHECK(asked.check());
}

TEST_CASE("confined creation: other ids are refused, the sandbox's and the virtual pod's too") {
  Asked asked;
  asked.id = "c1";
  CHECK(refuses(asked.check(), "ContainerId"));
  for (const char* annotation : {"io.kubernetes.cri.sandbox-id", "io.microsoft.cri.virtual-pod-id"}) {
    for (const std::string& id : {std::string("pod"), std::string(63, 'b')}) {
      Asked other;
      other.spec["annotations"][annotation] = id;
      CHECK(refuses(other.check(), "OciSpecification.annotations"));
    }
  }
}

TEST_CASE("confined creation: other paths are refused, the v2 shim's too") {
  const std::string v2 = "/run/gcs/pods/" + kPod + "/" + kId;
  for (const std::string& bundle : {v2, std::string(), "/run/gcs/c/" + kPod, "/run/gcs/c/" + kId + "/"}) {
    Asked asked;
    asked.bundle = bundle;
    CHECK(refuses(asked.check(), "OciBundlePath"));
  }
  for (const json& path : {json(v2 + "/rootfs"), json("rootfs"), json(nullptr), json(1)}) {
    Asked asked;
    asked.spec["root"]["path"] = path;
    CHECK(refuses(asked.check(), "OciSpecification.root.path"));
  }
  Asked rootless;
  rootless.spec["root"].erase("path");
  CHECK(refuses(rootless.check(), "OciSpecification.root.path"));
  for (const std::string& scratch :
       {std::string(), "/run/gcs/c/" + kPod + "/scratch/" + kPod, "/run/gcs/c/" + kPod + "/scratch/../" + kId,
        "/run/mounts/scsi/0_2_0/scratch/" + kPod + "/" + kId}) {
    Asked asked;
    asked.scratch = scratch;
    CHECK(refuses(asked.check(), "ScratchDirPath"));
  }
}

TEST_CASE("confined creation: hooks are forbidden, even none of them") {
  for (const json& hooks : {json::object(), json{{"createRuntime", json::array()}}, json("x")}) {
    Asked asked;
    asked.spec["hooks"] = hooks;
    CHECK(refuses(asked.check(), "OciSpecification.hooks"));
  }
}

TEST_CASE("confined creation: a field that nobody knows is refused where it stands") {
  struct Case {
    json::json_pointer at;
    const char* name;
  };
  const Case kCases[] = {
      {"/x"_json_pointer, "OciSpecification.x:"},
      {"/Process"_json_pointer, "OciSpecification.Process:"},
      {"/vm"_json_pointer, "OciSpecification.vm:"},
      {"/ociVersion root"_json_pointer, "OciSpecification.ociVersion root:"},
      {"/process/user/home"_json_pointer, "OciSpecification.process.user.home:"},
      {"/linux/resources/memory/x"_json_pointer, "OciSpecification.linux.resources.memory.x:"},
      {"/linux/seccomp/syscalls/0/args/0/x"_json_pointer, "OciSpecification.linux.seccomp.syscalls.args.x:"},
      {"/windows/network/x"_json_pointer, "OciSpecification.windows.network.x:"},
      {"/mounts/0/x"_json_pointer, "OciSpecification.mounts.x:"},
  };
  for (const Case& one : kCases) {
    Asked asked;
    asked.spec[one.at] = 1;
    CHECK(refuses(asked.check(), one.name));
  }
}

TEST_CASE("known fields: a document that has them all passes, and so do maps with anybody's names") {
  const json spec = json::parse(R"({
    "ociVersion": "1.2.0", "hostname": "h", "domainname": "d", "root": {"path": "/r", "readonly": true},
    "annotations": {"anything": "x"},
    "mounts": [{"destination": "/a", "type": "bind", "source": "/b", "options": ["ro"],
                "uidMappings": [{"containerID": 0, "hostID": 0, "size": 1}]}],
    "process": {"terminal": true, "consoleSize": {"height": 1, "width": 2}, "args": ["a"], "env": ["A=b"], "cwd": "/",
                "user": {"uid": 0, "gid": 0, "umask": 18, "additionalGids": [1], "username": "u"},
                "capabilities": {"bounding": [], "effective": [], "inheritable": [], "permitted": [], "ambient": []},
                "rlimits": [{"type": "RLIMIT_CORE", "hard": 0, "soft": 0}], "noNewPrivileges": true,
                "apparmorProfile": "", "oomScoreAdj": 1, "selinuxLabel": "", "ioPriority": {"class": "x", "priority": 1}},
    "linux": {"sysctl": {"net.anything": "1"}, "cgroupsPath": "/x", "rootfsPropagation": "", "mountLabel": "",
              "maskedPaths": ["/x"], "readonlyPaths": [], "uidMappings": [], "gidMappings": null,
              "namespaces": [{"type": "pid", "path": "/x"}],
              "devices": [{"path": "/dev/x", "type": "c", "major": 1, "minor": 2, "fileMode": 1, "uid": 0, "gid": 0}],
              "resources": {"devices": [{"allow": true, "type": "c", "major": 1, "minor": 2, "access": "r"}],
                            "memory": {"limit": 1, "swap": 2}, "cpu": {"shares": 1, "quota": 2, "period": 3, "cpus": "0"},
                            "pids": {"limit": 1}, "unified": {"any.thing": "1"}, "rdma": {"mlx5": {"hcaHandles": 1}},
                            "blockIO": {"weightDevice": [{"major": 1, "minor": 2, "weight": 3}]},
                            "hugepageLimits": [{"pageSize": "2M", "limit": 1}],
                            "network": {"classID": 1, "priorities": [{"name": "eth0", "priority": 1}]}},
              "seccomp": {"defaultAction": "x", "architectures": [], "syscalls":
                           [{"names": ["a"], "action": "x", "errnoRet": 1, "args": [{"index": 0, "value": 1, "op": "x"}]}]}},
    "windows": {"network": {"networkNamespace": "n"}, "devices": [{"id": "x", "idType": "gpu"}]}})");
  const auto known = runtime::check_known_fields(spec);
  CHECK_MESSAGE(known, known.error().message());
}

TEST_CASE("known fields: parts of a wrong type are not judged here, and break nothing") {
  for (const char* part : {"process", "root", "mounts", "linux", "annotations"}) {
    for (const json& value : {json(nullptr), json(1), json("x"), json::array({1, "x", json::array()})}) {
      json spec = Asked().spec;
      spec[part] = value;
      CHECK(runtime::check_known_fields(spec));
    }
  }
}

TEST_CASE("confined exec: its process object has known fields only") {
  bridge::ExecuteProcess execute;
  CHECK(check_confined(execute));  // none: the init process is started
  execute.oci_process = std::make_shared<json>(json{{"args", {"sh"}}, {"user", {{"uid", 0}}}});
  CHECK(check_confined(execute));
  (*execute.oci_process)["user"]["x"] = 1;
  CHECK(refuses(check_confined(execute), "OciProcess.user.x:"));
}

TEST_CASE("confined resources: they have known fields only") {
  CHECK(check_confined_resources(json::object()));
  CHECK(check_confined_resources(json("x")));  // the handler's to refuse
  CHECK(check_confined_resources(
      {{"Windows", {{"x", 1}}}, {"Linux", {{"memory", {{"limit", 1}}}, {"unified", {{"a", "b"}}}}}}));
  CHECK(refuses(check_confined_resources({{"Linux", {{"memory", {{"x", 1}}}}}}), "Linux.memory.x:"));
}

TEST_CASE("confined disk: the option ro goes with ReadOnly, and no other is taken") {
  using Options = std::vector<std::string>;
  struct Case {
    bool read_only;
    Options options;
    bool passes;
  };
  const Case kCases[] = {
      {true, {"ro"}, true},        {true, {}, false}, {true, {"ro", "noexec"}, false}, {true, {"rw"}, false},
      {true, {"ro", "ro"}, false}, {false, {}, true}, {false, {"ro"}, false},          {false, {"shared"}, false},
  };
  for (const Case& one : kCases) {
    bridge::MappedVirtualDisk disk;
    disk.mount_path = "/run/mounts/scsi/m0";
    disk.read_only = one.read_only;
    disk.options = one.options;
    CHECK(check_confined(disk, true).has_value() == one.passes);
    if (!one.passes) CHECK(refuses(check_confined(disk, true), "Options"));
    CHECK(check_confined(disk, false));  // a removal says nothing of them
    disk.mount_path.clear();
    CHECK(check_confined(disk, true));  // nothing is mounted
  }
}

TEST_CASE("confined disk: a read-only one holds an ext4") {
  bridge::MappedVirtualDisk disk;
  disk.mount_path = "/run/mounts/scsi/m0";
  disk.read_only = true;
  disk.options = {"ro"};
  for (const char* name : {"", "ext4"}) {
    disk.filesystem = name;
    CHECK(check_confined(disk, true));
  }
  disk.filesystem = "xfs";
  CHECK(refuses(check_confined(disk, true), "Filesystem"));
  disk.read_only = false;
  disk.options.clear();
  CHECK(check_confined(disk, true));
}

TEST_CASE("confined memory and directories: whole devices, and shares of digits") {
  bridge::VpmemDevice device;
  CHECK(check_confined(device));
  device.mapped = true;
  CHECK(refuses(check_confined(device), "MappingInfo"));
  bridge::MappedDirectory directory;
  for (const char* name : {"0", "3", "0123456789"}) {
    directory.share_name = name;
    CHECK(check_confined(directory));
  }
  for (const char* name : {"", "a", "1,trans=tcp", "1 ", "-1", "1\n"}) {
    directory.share_name = name;
    CHECK(refuses(check_confined(directory), "ShareName"));
  }
}

TEST_CASE("confined layers: the root file system and the scratch directory are where the creation wants them") {
  bridge::CombinedLayers layers;
  layers.container_id = kId;
  layers.root_path = "/run/gcs/c/" + kId + "/rootfs";
  CHECK(check_confined(layers, true));
  for (const std::string& owner : {kId, kPod}) {
    layers.scratch_path = "/run/gcs/c/" + owner + "/scratch/" + kId;
    CHECK(check_confined(layers, true));
  }
  for (const std::string& scratch :
       {"/run/gcs/c/" + kId + "/scratch/" + kPod, std::string("/x"), std::string(300, '/'),
        "/run/gcs/c/" + kId.substr(1) + "/scratch/" + kId, "/run/gcs/c/" + kId + "/scratch/" + kId + "/"}) {
    CAPTURE(scratch);
    layers.scratch_path = scratch;
    CHECK(refuses(check_confined(layers, true), "ScratchPath"));
  }
  layers.scratch_path.clear();
  layers.root_path = "/run/gcs/pods/" + kPod + "/" + kId + "/rootfs";
  CHECK(refuses(check_confined(layers, true), "ContainerRootPath"));
  CHECK(check_confined(layers, false));  // a removal names no container
  layers.container_id = "c1";
  CHECK(refuses(check_confined(layers, true), "ContainerID"));
}

}  // namespace gcs::testing
