// A VM that waits for its policy, and one whose policy confines its host.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>

#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "tests/agent/pod_scene.h"
#include "tests/agent/stage.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using host::Message;
using nlohmann::json;

constexpr host::Streams kSilent{false, false, false};

// {"allow_all": true}
constexpr const char* kAllowAll = "eyJhbGxvd19hbGwiOiB0cnVlfQ==";

// Of a layer that no request of a confined host has mounted.
constexpr const char* kUntracked = "is to be a read-only device that this host has mounted";

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

AgentSettings denying() {
  auto settings = settings_from_environment();
  settings.flags = {"-initial-policy-stance", "deny"};
  return settings;
}

/// The error's text; empty for none.
std::string modify(Stage& stage, const std::string& resource, json settings, const std::string& type = "Add") {
  const auto done = stage.loop.run(host::modify(stage.host, type, resource, std::move(settings)));
  return done ? std::string() : done.error().message();
}

/// A Create in which something is other than a host's library would have it.
std::string create(Stage& stage, const host::ContainerSpec& spec, const std::function<void(json&)>& change) {
  json config = {{"SchemaVersion", {{"Major", 2}, {"Minor", 1}}},
                 {"OciBundlePath", spec.bundle()},
                 {"OciSpecification", host::oci_spec(spec)},
                 {"ScratchDirPath", spec.scratch()}};
  change(config);
  return stage.refusal(Message::create, {{"ContainerId", spec.id}, {"ContainerConfig", config.dump()}});
}

/// A whole life, as a shim asks for it.
void run_and_remove(Stage& stage) {
  const auto spec = busybox({"true"});
  const auto process = stage.run(spec, kSilent);
  stage.remove(spec);
}

}  // namespace

TEST_CASE(
    "policy: a VM with the stance deny does nothing that a policy is about, and says nothing, until its policy has "
    "come") {
  Stage stage(denying());
  const auto spec = busybox({"true"});
  const json named = {{"ContainerId", spec.id}};
  const std::string denied = "denied by policy";
  CHECK(has(stage.loop.run(host::combine_layers(stage.host, spec)).error().message(), denied));
  CHECK(has(stage.loop.run(host::create_container(stage.host, spec)).error().message(), denied));
  CHECK(has(stage.loop.run(host::execute_in_vm(stage.host, command({"true"}), kSilent)).error().message(), denied));
  for (const Message message : {Message::delete_container_state, Message::shutdown_graceful, Message::shutdown_forced,
                                Message::signal_process, Message::get_properties, Message::dump_stacks}) {
    CHECK(has(stage.refusal(message, named), denied));
  }
  for (const char* resource : {"MappedVirtualDisk", "MappedDirectory", "VPMemDevice", "SecurityPolicyFragment"}) {
    CHECK(has(modify(stage, resource, json::object()), denied));
    CHECK(has(modify(stage, resource, json::object(), "Remove"), denied));
  }
  CHECK(has(
      modify(stage, "SecurityPolicy", {{"EnforcerType", "rego"}, {"EncodedSecurityPolicy", "cGFja2FnZSBwb2xpY3kK"}}),
      "Rego"));
  CHECK(has(stage.loop.run(host::create_container(stage.host, spec)).error().message(), denied));
  CHECK(modify(stage, "PodCgroupMemoryLimit", json::object(), "Update").empty());  // no policy's matter
  CHECK(test::get_file(kAgentLog).empty());

  CHECK(modify(stage, "SecurityPolicy", {{"EnforcerType", "open_door"}}).empty());
  CHECK(has(test::get_file(kAgentLog), "security policy set"));
  CHECK(has(modify(stage, "SecurityPolicy", {{"EnforcerType", "open_door"}}), "security policy has already been set"));
  CHECK(stage.loop.run(host::stacks(stage.host)));
  const auto process = stage.loop.run(host::execute_in_vm(stage.host, command({"true"}), kSilent));
  REQUIRE(process);
  CHECK(stage.loop.run((*process)->wait()));
  run_and_remove(stage);  // a policy without a text confines nobody
}

TEST_CASE("policy: an ordinary VM takes one without a text, and its host stays free") {
  Stage stage;
  CHECK(modify(stage, "SecurityPolicy", json::object()).empty());
  auto spec = busybox({"true"});
  spec.id = "c1";
  const auto process = stage.run(spec, kSilent);
  stage.remove(spec);
  CHECK(has(modify(stage, "SecurityPolicyFragment", {{"Fragment", "0oRY"}}), "no policy that this agent can enforce"));
}

TEST_CASE("policy: one with a text confines the host to what the shim of a confidential VM asks for") {
  Stage stage;
  run_and_remove(stage);
  CHECK(modify(stage, "SecurityPolicy", {{"EncodedSecurityPolicy", kAllowAll}}).empty());

  const auto spec = busybox({"true"});
  auto named = spec;
  named.id = "c1";
  CHECK(has(create(stage, named, [](json&) {}), "ContainerId"));
  CHECK(has(create(stage, spec, [](json& config) { config["OciBundlePath"] = "/run/gcs/pods/x/y"; }), "OciBundlePath"));
  CHECK(has(create(stage, spec, [](json& config) { config["ScratchDirPath"] = "/run/x"; }), "ScratchDirPath"));
  CHECK(has(create(stage, spec, [](json& config) { config["OciSpecification"]["hooks"] = json::object(); }), "hooks"));
  CHECK(has(create(stage, spec, [](json& config) { config["OciSpecification"]["linux"]["x"] = 1; }), "linux.x"));
  CHECK(has(stage.refusal(Message::delete_container_state, {{"ContainerId", "c1"}}), "ContainerId"));
  CHECK(has(modify(stage, "MappedDirectory", {{"MountPath", "/run/d"}, {"ShareName", "a,b"}, {"Port", 564}}),
            "ShareName"));
  CHECK(has(modify(stage, "MappedVirtualDisk", {{"MountPath", "/run/d"}, {"Options", {"noexec"}}}), "Options"));
  CHECK(has(modify(stage, "CombinedLayers", {{"ContainerID", spec.id}, {"ContainerRootPath", "/run/r"}}),
            "ContainerRootPath"));
  CHECK(has(stage.loop.run(host::combine_layers(stage.host, spec)).error().message(), kUntracked));
  CHECK_FALSE(has(stage.agent.mounts(), spec.id));
}

TEST_CASE("policy: a confined host takes away nothing that it has not mounted since, and that ends nothing") {
  Stage stage;
  const auto spec = busybox({"sleep", "1000"});
  const auto process = stage.run(spec, kSilent);
  CHECK(modify(stage, "SecurityPolicy", {{"EncodedSecurityPolicy", kAllowAll}}).empty());

  const std::string foreign = "/run/foreign";
  test::put_dir(foreign);
  REQUIRE(::mount("tmpfs", foreign.c_str(), "tmpfs", 0, nullptr) == 0);
  for (const char* resource : {"MappedVirtualDisk", "MappedDirectory", "VPMemDevice"}) {
    CHECK(has(modify(stage, resource, {{"MountPath", foreign}}, "Remove"), "mounted nothing there"));
  }
  CHECK(has(stage.agent.mounts(), foreign));
  for (const std::string& root : {spec.rootfs(), "/run//gcs/c/./" + spec.id + "/rootfs/"}) {
    CHECK(has(modify(stage, "CombinedLayers", {{"ContainerRootPath", root}}, "Remove"),
              "in use by a container that runs"));
  }
  CHECK(has(stage.loop.run(host::combine_layers(stage.host, spec)).error().message(), "in use by a container"));
  CHECK(has(stage.refusal(Message::delete_container_state, {{"ContainerId", spec.id}}), spec.id));

  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  CHECK(stage.loop.run(stage.host.exited(spec.id)));
  CHECK(has(stage.loop.run(host::separate_layers(stage.host, spec)).error().message(), "mounted nothing there"));
  ::umount2(foreign.c_str(), MNT_DETACH);
  ::umount2(spec.rootfs().c_str(), MNT_DETACH);
  CHECK(stage.refusal(Message::delete_container_state, {{"ContainerId", spec.id}}).empty());
}

TEST_CASE("policy: a container is shown what there is of its VM's security, until it fails or is deleted") {
  Stage stage;
  CHECK(modify(stage, "SecurityPolicy",
               {{"EncodedUVMReference", "cmVmZXJlbmNl"}, {"EncodedUVMHashEnvelopeReference", "ZW52ZWxvcGU="}})
            .empty());
  const std::string shown = "cd $UVM_SECURITY_CONTEXT_DIR; for f in *; do echo $f $(cat $f); done";
  auto spec = busybox({"sh", "-c", shown});
  spec.annotations = {{"io.microsoft.virtualmachine.wcow.amd-certificate", "Y2VydA=="}};
  const auto process = stage.run(spec, {false, true, false});
  CHECK(output_of(stage, *process) ==
        "host-amd-cert-base64 Y2VydA==\n"
        "reference-info-base64 cmVmZXJlbmNl\n"
        "transparent-reference-info-base64 ZW52ZWxvcGU=\n");
  stage.remove(spec);

  // A scratch that outlives the bundle, so that what a creation has left there could be seen.
  const auto broken = busybox({"true"});
  const std::string scratch = "/run/scratch/" + broken.id;
  CHECK(modify(stage, "CombinedLayers",
               {{"ContainerRootPath", broken.rootfs()},
                {"Layers", {{{"Path", broken.layers.front()}}}},
                {"ScratchPath", scratch}})
            .empty());
  CHECK_FALSE(create(stage, broken, [](json& config) {
                config["OciSpecification"]["linux"]["sysctl"] = {{"net.no.such.thing", "1"}};
              }).empty());
  CHECK(std::filesystem::exists(scratch + "/upper"));
  for (const auto& entry : std::filesystem::directory_iterator(scratch + "/upper")) {
    CHECK_FALSE(has(entry.path().string(), "security-context-"));
  }
  CHECK(modify(stage, "CombinedLayers", {{"ContainerRootPath", broken.rootfs()}}, "Remove").empty());
}

}  // namespace gcs::testing
