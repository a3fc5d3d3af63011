// What a sandbox is saved as, and what of it another host takes.

#include <doctest/doctest.h>

#include "proto/save/linuxcontainer.pb.h"
#include "proto/save/pod.pb.h"
#include "proto/save/process.pb.h"
#include "proto/save/vm.pb.h"
#include "tests/migration/pack.h"
#include "tests/migration/sandbox_record.h"

namespace gcs::testing {
namespace {

using namespace gcs::migration;
using SavedVm = hcsshim::controller::vm::save::v1::Payload;
using SavedPod = hcsshim::controller::pod::save::v1::Payload;
using SavedContainer = hcsshim::controller::linuxcontainer::save::v1::Payload;
using SavedProcess = hcsshim::controller::process::save::v1::Payload;

SandboxRecord good() {
  SandboxRecord record;
  record.vm_id = "box";
  record.vm_document = R"({"Type":"x"})";
  record.next_id = 17;
  record.next_port = 0x40000009;
  ContainerRecord one{"one", {"/layers/top", "/layers/base"},           "/scratch/one", "/far/one/rootfs",
                      true,  {"one", 7, {0x40000001, 0x40000002, 0}, 5}};
  ContainerRecord two{
      "two", {"/layers/base"}, "", "/run/gcs/c/two/rootfs", false, {"two", 9, {0, 0x40000003, 0x40000004}, 6}};
  record.containers = {one, two};
  return record;
}

/// What is said of the good record after `spoil` had its innermost message, on the way to the first container.
template <class Spoil>
std::string fate(Spoil spoil) {
  save::Payload payload = to_payload(good());
  auto vm = *unpack<SavedVm>(payload.vm(), "vm");
  auto pod = *unpack<SavedPod>(payload.pods(0), "pod");
  auto container = *unpack<SavedContainer>(pod.containers(0), "container");
  auto process = *unpack<SavedProcess>(container.processes().at(""), "process");
  spoil(vm, pod, container, process);
  if (container.processes().contains("")) (*container.mutable_processes())[""] = pack(process);
  *pod.mutable_containers(0) = pack(container);
  *payload.mutable_pods(0) = pack(pod);
  *payload.mutable_vm() = pack(vm);
  const auto read = from_payload(payload);
  if (read) return "taken";
  CHECK(read.error().code() == Errc::invalid_argument);
  return read.error().message();
}

}  // namespace

TEST_CASE("sandbox record: what was saved is what is taken") {
  const auto read = from_payload(to_payload(good()));
  REQUIRE_MESSAGE(read, read.error().message());
  CHECK(read->vm_id == "box");
  CHECK(read->vm_document == R"({"Type":"x"})");
  CHECK(read->next_id == 17);
  CHECK(read->next_port == 0x40000009);
  REQUIRE(read->containers.size() == 2);
  const ContainerRecord& one = read->containers[0];
  CHECK(one.id == "one");
  CHECK(one.layers == std::vector<std::string>{"/layers/top", "/layers/base"});
  CHECK(one.terminal);
  CHECK(one.init.container == "one");
  CHECK(one.init.pid == 7);
  CHECK(one.init.ports.in == 0x40000001);
  CHECK(one.init.ports.out == 0x40000002);
  CHECK(one.init.ports.err == 0);
  CHECK(one.init.wait_id == 5);
  CHECK(one.scratch == "/scratch/one");
  CHECK(one.rootfs == "/far/one/rootfs");
  CHECK_FALSE(read->containers[1].terminal);
  CHECK(to_payload(*read).SerializeAsString() == to_payload(good()).SerializeAsString());
}

TEST_CASE("sandbox record: a container without a scratch is saved without one, and has none") {
  const auto saved = to_payload(good());
  const auto pod = *unpack<SavedPod>(saved.pods(1), "pod");
  const auto container = *unpack<SavedContainer>(pod.containers(0), "container");
  CHECK_FALSE(container.layers().has_scratch());
  CHECK(from_payload(saved)->containers[1].scratch.empty());
}

TEST_CASE("sandbox record: a container of a host that did not say where it is, is where it usually is") {
  save::Payload payload = to_payload(good());
  auto pod = *unpack<SavedPod>(payload.pods(0), "pod");
  auto container = *unpack<SavedContainer>(pod.containers(0), "container");
  container.mutable_layers()->clear_rootfs_path();
  *pod.mutable_containers(0) = pack(container);
  *payload.mutable_pods(0) = pack(pod);
  CHECK(from_payload(payload)->containers[0].rootfs == "/run/gcs/c/one/rootfs");
}

TEST_CASE("sandbox record: what cannot be taken over is refused by its name") {
  CHECK(fate([](auto&, auto&, auto&, auto&) {}) == "taken");
  CHECK(fate([](SavedVm& v, auto&, auto&, auto&) { v.set_bridge_next_id(0); }).find("bridge_next_id") !=
        std::string::npos);
  CHECK(fate([](auto&, auto&, SavedContainer& c, auto&) { c.clear_gcs_container_id(); }).find("gcs_container_id") !=
        std::string::npos);
  CHECK(fate([](auto&, auto&, SavedContainer& c, auto&) { c.set_gcs_container_id("two"); }).find("in two pods") !=
        std::string::npos);
  CHECK(fate([](auto&, auto&, SavedContainer& c, auto&) { c.clear_processes(); }).find("init process") !=
        std::string::npos);
  CHECK(fate([](auto&, auto&, SavedContainer& c, auto& p) {
          (*c.mutable_processes())["exec"] = pack(p);
        }).find("init process alone") != std::string::npos);
  CHECK(fate([](auto&, auto&, auto&, SavedProcess& p) { p.set_pid(0); }).find("pid") != std::string::npos);
  CHECK(fate([](auto&, auto&, auto&, SavedProcess& p) { p.set_wait_call_id(0); }).find("wait_call_id") !=
        std::string::npos);
}

TEST_CASE("sandbox record: a spec that says nothing of a terminal has none") {
  const std::string without =
      fate([](auto&, auto&, auto&, SavedProcess& p) { p.set_oci_process_spec_json("no JSON"); });
  CHECK(without == "taken");
}

}  // namespace gcs::testing
