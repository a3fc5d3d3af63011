#include "tests/agent/pod_scene.h"

#include "stdio/io/fd.h"
#include "tests/host/call.h"

namespace gcs::testing {
namespace {

using host::Message;
using nlohmann::json;

constexpr const char* kUvm = "00000000-0000-0000-0000-000000000000";

Member made(std::vector<std::string> args, const std::string& pod, Layout layout) {
  Member member;
  member.id = host::random_id();
  const std::string of_pod = pod.empty() ? member.id : pod;
  member.bundle = layout == Layout::v1 ? "/run/gcs/c/" + member.id : "/run/gcs/pods/" + of_pod + "/" + member.id;
  member.scratch = (layout == Layout::v1 ? member.bundle : "/run/mounts/scsi/0_2_0") + "/scratch/" +
                   (layout == Layout::v1 ? "" : of_pod + "/") + member.id;
  host::ContainerSpec spec;
  spec.id = member.id;
  spec.command.args = std::move(args);
  member.oci = host::oci_spec(spec);
  member.oci["root"]["path"] = member.bundle + "/rootfs";
  member.annotate("io.kubernetes.cri.container-type", pod.empty() ? "sandbox" : "container");
  member.annotate("io.kubernetes.cri.sandbox-id", of_pod);
  return member;
}

json layers_request(const Member& member, const char* request) {
  json body = {{"ContainerId", kUvm}};
  body["Request"]["RequestType"] = request;
  body["Request"]["ResourceType"] = "CombinedLayers";
  json& settings = body["Request"]["Settings"];
  settings["ContainerID"] = member.id;
  settings["ContainerRootPath"] = member.bundle + "/rootfs";
  settings["Layers"] = {{{"Path", "/run/layers/busybox"}}};
  settings["ScratchPath"] = member.scratch;
  return body;
}

host::ContainerSpec spec_of(const Member& member) {
  host::ContainerSpec spec;
  spec.id = member.id;
  return spec;
}

}  // namespace

void Member::mount(const std::string& source, const std::string& destination, std::vector<std::string> options) {
  oci["mounts"].push_back({{"destination", destination}, {"type", "bind"}, {"source", source}, {"options", options}});
}

Member sandbox(std::vector<std::string> args, Layout layout) {
  Member member = made(std::move(args), "", layout);
  member.oci["hostname"] = "mypod.example";
  member.annotate("io.microsoft.cri.skip-pod-networking", "true");  // nobody adds adapters here
  return member;
}

Member workload(const Member& of, std::vector<std::string> args, Layout layout) {
  return made(std::move(args), of.id, layout);
}

std::string layers(Stage& stage, const Member& member, const char* request) {
  return stage.refusal(Message::modify_settings, layers_request(member, request));
}

std::string create(Stage& stage, const Member& member) {
  REQUIRE(layers(stage, member, "Add").empty());
  discard(stage.loop.run(stage.host.watch(member.id)), "a Create that was refused may have left it registered");
  json config;
  config["SchemaVersion"] = {{"Major", 2}, {"Minor", 1}};
  config["OciBundlePath"] = member.bundle;
  config["OciSpecification"] = member.oci;
  config["ScratchDirPath"] = member.scratch;
  const std::string refused =
      stage.refusal(Message::create, {{"ContainerId", member.id}, {"ContainerConfig", config.dump()}});
  if (!refused.empty()) REQUIRE(layers(stage, member, "Remove").empty());
  return refused;
}

std::unique_ptr<host::Process> start(Stage& stage, const Member& member, host::Streams streams) {
  auto process = stage.loop.run(host::start_container(stage.host, spec_of(member), streams));
  REQUIRE_MESSAGE(process, process.error().message());
  return std::move(*process);
}

std::string output_of(Stage& stage, host::Process& process) {
  std::vector<std::byte> buffer(1 << 20);
  const auto size = stage.loop.run(io::read_full(*process.out, buffer));
  REQUIRE(size);
  process.out.reset();
  return {reinterpret_cast<const char*>(buffer.data()), *size};
}

void remove(Stage& stage, const Member& member, bool ended) {
  if (!ended) REQUIRE(stage.loop.run(host::shut_down(stage.host, member.id, true)));
  const auto exited = stage.loop.run(stage.host.exited(member.id));
  REQUIRE_MESSAGE(exited, exited.error().message());
  CHECK(layers(stage, member, "Remove") == "");
  CHECK(stage.refusal(Message::delete_container_state, {{"ContainerId", member.id}}) == "");
}

std::string exec(Stage& stage, const Member& member, std::vector<std::string> args) {
  auto process =
      stage.loop.run(host::execute(stage.host, member.id, command(std::move(args)), host::Streams{false, true, false}));
  REQUIRE_MESSAGE(process, process.error().message());
  std::string said = output_of(stage, **process);
  CHECK(stage.loop.run((*process)->wait()));
  return said;
}

std::string cgroup_file(const std::string& pod, const std::string& id, const char* v1, const char* v2) {
  const std::string below = "/pods" + (pod.empty() ? "" : "/" + pod) + (id.empty() ? "" : "/" + id) + "/";
  const std::string controller = std::string(v1).substr(0, std::string(v1).find('.'));
  auto text = io::read_file("/sys/fs/cgroup/" + controller + below + v1);
  if (!text) text = io::read_file("/sys/fs/cgroup" + below + v2);
  REQUIRE_MESSAGE(text, below << v1);
  return std::move(*text);
}

}  // namespace gcs::testing
