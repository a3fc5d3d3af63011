#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "proto/save/linuxcontainer.pb.h"
#include "proto/save/network.pb.h"
#include "proto/save/pod.pb.h"
#include "proto/save/process.pb.h"
#include "proto/save/scsi.pb.h"
#include "proto/save/vm.pb.h"
#include "tests/migration/init_options.h"
#include "tests/migration/saved_sandbox.h"

using namespace gcs::migration;
using gcs::Errc;
using gcs::Error;
using google::protobuf::Any;
namespace controller = hcsshim::controller;
namespace vm_save = controller::vm::save::v1;
namespace pod_save = controller::pod::save::v1;
namespace container_save = controller::linuxcontainer::save::v1;

namespace {

Any container(const std::string& id) {
  container_save::Payload payload;
  payload.set_container_id(id);
  (*payload.mutable_processes())[""] = pack(controller::process::save::v1::Payload());
  return pack(payload);
}

Any pod(std::vector<Any> containers) {
  pod_save::Payload payload;
  *payload.mutable_network() = pack(controller::network::save::v1::Payload());
  for (Any& each : containers) *payload.add_containers() = std::move(each);
  return pack(payload);
}

/// A VM with disks, and two pods.
save::Payload whole() {
  vm_save::Payload vm;
  *vm.mutable_scsi() = pack(controller::scsi::save::v1::Payload());
  save::Payload sandbox;
  *sandbox.mutable_vm() = pack(vm);
  *sandbox.add_pods() = pod({container("a"), container("b")});
  *sandbox.add_pods() = pod({container("c")});
  return sandbox;
}

/// The refusal of a sandbox.
Error refusal(const save::Payload& sandbox) {
  const auto unpacked = unpack_sandbox(pack(sandbox));
  if (unpacked) return Error(Errc::internal, "it was taken");
  return unpacked.error();
}

bool begins(const Error& error, const std::string& with) {
  return error.message().compare(0, with.size(), with) == 0;
}

struct Broken {
  Any any;
  Errc code;
};

/// Another type, another version, no version, and bytes that are cut.
std::vector<Broken> broken(const Any& good) {
  Any type = good;
  type.set_type_url("type.microsoft.com/somebody.Else");
  Any newer = good;
  newer.set_value(good.value() + std::string("\x08\x02"));  // the last of a field counts
  Any none = good;
  none.clear_value();
  Any cut = good;
  cut.set_value(good.value() + std::string("\x12\x7f"));
  return {{type, Errc::invalid_argument},
          {newer, Errc::invalid_argument},
          {none, Errc::invalid_argument},
          {cut, Errc::malformed}};
}

}  // namespace

TEST_CASE("payload: a type URL is the package's, and the version is set") {
  const Any packed = pack(vm_save::Payload());
  CHECK(packed.type_url() == "type.microsoft.com/hcsshim.controller.vm.save.v1.Payload");
  CHECK(pack(save::Payload()).type_url() == "type.microsoft.com/hcsshim.controller.migration.save.v1.Payload");
  const auto unpacked = unpack<vm_save::Payload>(packed, "vm");
  REQUIRE(unpacked);
  CHECK(unpacked->schema_version() == 1);
}

TEST_CASE("payload: what is packed comes out again, and always as the same bytes") {
  vm_save::Payload vm;
  vm.set_vm_id("box@vm");
  vm.set_bridge_next_id(77);
  controller::scsi::save::v1::Payload scsi;
  for (uint32_t slot = 0; slot < 20; ++slot) (*scsi.mutable_disks())[slot].mutable_config()->set_host_path("/d");
  *vm.mutable_scsi() = pack(scsi);
  CHECK(pack(scsi).value() == pack(scsi).value());
  const auto unpacked = unpack<vm_save::Payload>(pack(vm), "vm");
  REQUIRE(unpacked);
  CHECK(unpacked->vm_id() == "box@vm");
  CHECK(unpacked->bridge_next_id() == 77);
}

TEST_CASE("payload: a whole sandbox is taken") {
  const auto unpacked = unpack_sandbox(pack(whole()));
  REQUIRE(unpacked);
  CHECK(unpacked->pods_size() == 2);
}

TEST_CASE("payload: a part of another type or version, or cut, is refused and named, however deep it is") {
  for (const auto& [any, code] : broken(pack(whole()))) {
    const auto unpacked = unpack_sandbox(any);
    REQUIRE_FALSE(unpacked);
    CHECK(unpacked.error().code() == code);
    CHECK(begins(unpacked.error(), "config"));
  }
  for (const auto& [any, code] : broken(whole().vm())) {
    auto sandbox = whole();
    *sandbox.mutable_vm() = any;
    CHECK(refusal(sandbox).code() == code);
    CHECK(begins(refusal(sandbox), "config.vm"));
  }
  for (const auto& [any, code] : broken(pack(controller::scsi::save::v1::Payload()))) {
    auto sandbox = whole();
    vm_save::Payload vm;
    *vm.mutable_scsi() = any;
    *sandbox.mutable_vm() = pack(vm);
    CHECK(refusal(sandbox).code() == code);
    CHECK(begins(refusal(sandbox), "config.vm.scsi"));
  }
  for (const auto& [any, code] : broken(whole().pods(1))) {
    auto sandbox = whole();
    *sandbox.mutable_pods(1) = any;
    CHECK(refusal(sandbox).code() == code);
    CHECK(begins(refusal(sandbox), "config.pods[1]"));
  }
  for (const auto& [any, code] : broken(pack(controller::network::save::v1::Payload()))) {
    auto sandbox = whole();
    pod_save::Payload with;
    *with.mutable_network() = any;
    *sandbox.mutable_pods(0) = pack(with);
    CHECK(refusal(sandbox).code() == code);
    CHECK(begins(refusal(sandbox), "config.pods[0].network"));
  }
  for (const auto& [any, code] : broken(container("x"))) {
    auto sandbox = whole();
    *sandbox.mutable_pods(1) = pod({container("c"), any});
    CHECK(refusal(sandbox).code() == code);
    CHECK(begins(refusal(sandbox), "config.pods[1].containers[1]"));
  }
  for (const auto& [any, code] : broken(pack(controller::process::save::v1::Payload()))) {
    auto sandbox = whole();
    container_save::Payload with;
    with.set_container_id("x");
    (*with.mutable_processes())["e"] = any;
    *sandbox.mutable_pods(1) = pod({pack(with)});
    CHECK(refusal(sandbox).code() == code);
    CHECK(begins(refusal(sandbox), "config.pods[1].containers[0].processes[\"e\"]"));
  }
}

TEST_CASE("payload: a VM is required, and a container needs an id") {
  auto sandbox = whole();
  sandbox.clear_vm();
  CHECK(refusal(sandbox).code() == Errc::invalid_argument);
  CHECK(refusal(sandbox).message() == "config.vm is required");
  sandbox = whole();
  *sandbox.mutable_pods(0) = pod({container("")});
  CHECK(refusal(sandbox).code() == Errc::invalid_argument);
  CHECK(refusal(sandbox).message() == "config.pods[0].containers[0].container_id is required");
}

TEST_CASE("payload: a container id that is there twice is refused, also across pods") {
  auto sandbox = whole();
  *sandbox.mutable_pods(1) = pod({container("a")});
  CHECK(refusal(sandbox).code() == Errc::invalid_argument);
  CHECK(begins(refusal(sandbox), "config.pods[1].containers[0].container_id"));
  sandbox = whole();
  *sandbox.mutable_pods(1) = pod({container("z"), container("z")});
  CHECK(begins(refusal(sandbox), "config.pods[1].containers[1].container_id"));
}

TEST_CASE("payload: every cut of a sandbox is refused or taken, never more") {
  const Any good = pack(whole());
  for (size_t size = 0; size < good.value().size(); ++size) {
    Any cut = good;
    cut.set_value(good.value().substr(0, size));
    const auto unpacked = unpack_sandbox(cut);
    if (!unpacked) CHECK_FALSE(unpacked.error().message().empty());
  }
}

TEST_CASE("options: another transport than TCP is an error without a class, as other hosts answer it") {
  InitializeOptions options;
  CHECK(check(options).error().code() == Errc::internal);
  CHECK(begins(check(options).error(), "init_options.memory_transport"));
  options.set_memory_transport(static_cast<MemoryTransport>(7));
  CHECK(check(options).error().code() == Errc::internal);
  options.set_memory_transport(MEMORY_TRANSPORT_TCP);
  CHECK(check(options));
}

TEST_CASE("options: a value that does not fit is refused, and its field named") {
  InitializeOptions options;
  options.set_memory_transport(MEMORY_TRANSPORT_TCP);
  auto& throttle = *options.mutable_memory_transfer_throttle_params();
  throttle.set_minimum_throttle_percentage(255);
  throttle.set_throttling_scale(0);
  CHECK(check(options));
  throttle.set_minimum_throttle_percentage(256);
  CHECK(check(options).error().code() == Errc::invalid_argument);
  CHECK(begins(check(options).error(), "init_options.memory_transfer_throttle_params.minimum_throttle_percentage"));
  throttle.set_minimum_throttle_percentage(0);
  for (const double scale : {-1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    throttle.set_throttling_scale(scale);
    CHECK(check(options).error().code() == Errc::invalid_argument);
    CHECK(begins(check(options).error(), "init_options.memory_transfer_throttle_params.throttling_scale"));
  }
}
