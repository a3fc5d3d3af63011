// Handlers over a runtime that has nothing to run: what they answer before they reach it.

#include "gcs/handlers.h"

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/support/loop.h"

namespace gcs::testing {
namespace {

using bridge::MessageType;
using nlohmann::json;

class NoHost final : public io::Dialer {
 public:
  io::Task<Result<std::unique_ptr<io::Stream>>> dial(io::Port) override {
    co_return Error(Errc::disconnected, "nobody listens");
  }
};

class NoRuntime final : public runtime::OciRuntime {
 public:
  using Started = runtime::StartedProcess;
  io::Task<Result<Started>> create(std::string, std::string, runtime::ContainerStdio) override { co_return absent(); }
  io::Task<Result<>> start(std::string) override { co_return absent(); }
  io::Task<Result<Started>> exec(std::string, std::string, runtime::ContainerStdio) override { co_return absent(); }
  io::Task<Result<>> kill(std::string, int, bool) override { co_return absent(); }
  io::Task<Result<>> remove(std::string, bool) override { co_return absent(); }
  io::Task<Result<>> update(std::string, std::string) override { co_return absent(); }

 private:
  static Error absent() { return Error(Errc::not_found, "there is no runtime"); }
};

struct House {
  Loop loop;
  NoHost dialer;
  NoRuntime oci;
  stdio::HostLink link{loop.executor(), loop.clock(), [](const std::string&) { return true; }};
  stdio::BufferPool pool;
  stdio::StdioContext stdio{loop.executor(), loop.engine(), dialer, loop.clock(), link, pool};
  runtime::Reaper reaper{loop.engine()};
  io::Offload offload{loop.executor(), loop.clock()};
  bridge::Exchange exchange{loop.executor()};
  io::TaskGroup processes{loop.executor()};
  network::Network network{loop.executor(), offload, loop.clock(), nullptr};
  runtime::RuntimeContext runtime{
      stdio, reaper, oci, offload, processes, network.namespaces, {"/nowhere", runtime::Cgroups::Version::v2}};
  runtime::Registry registry{runtime};
  storage::Storage storage{runtime, {"/nowhere", "/nowhere"}};
  runtime::PodsMemory pods_memory{runtime.cgroups, 0, offload, loop.clock()};
  Guard guard{PolicyStance::allow, false};
  storage::TrackedMounts mounts;
  HandlerContext handlers{exchange, registry, storage, network, pods_memory, guard, mounts, [] {}};

  House() { serve_resources(handlers); }

  json answer(MessageType type, const json& request) {
    const std::string text = request.dump();
    bridge::Body body = bridge::read_body(text);
    return json::parse(loop.run(exchange.dispatch.answer(static_cast<uint32_t>(type), std::move(body))));
  }

  json modify(std::string_view resource, std::string_view container = bridge::kNullId, json settings = json::object(),
              std::string_view type = "Add") {
    return answer(
        MessageType::modify_settings,
        {{"ContainerId", container},
         {"Request", {{"RequestType", type}, {"ResourceType", resource}, {"Settings", std::move(settings)}}}});
  }
};

constexpr int64_t kMalformed = -1070137075;  // 0xc037010d
constexpr int64_t kFail = -2147467259;       // 0x80004005

}  // namespace

TEST_CASE("modify: every resource of the protocol is served") {
  House house;
  for (const char* resource : {"SCSIDevice", "MappedVirtualDisk", "MappedDirectory", "VPMemDevice", "CombinedLayers",
                               "Network", "VPCIDevice", "SecurityPolicy", "SecurityPolicyFragment"}) {
    CAPTURE(resource);
    const json answer = house.modify(resource, bridge::kNullId, json::parse(R"({"VMBusGUID": "x", "Controller": 9})"));
    const std::string text = answer.value("ErrorMessage", "");
    CHECK(text.find("ResourceType") == std::string::npos);
  }
}

TEST_CASE("modify: a policy is taken once, and a fragment never") {
  House house;
  CHECK(house.modify("SecurityPolicy", bridge::kNullId, {{"EnforcerType", 1}})["Result"] == kMalformed);
  CHECK(house.modify("SecurityPolicy", bridge::kNullId, {{"EnforcerType", "rego"}})["Result"] != 0);
  CHECK(house.modify("SecurityPolicy", bridge::kNullId, {{"EnforcerType", "open_door"}})["Result"] == 0);
  CHECK(house.modify("SecurityPolicy")["ErrorMessage"] == "security policy has already been set");
  CHECK(house.modify("SecurityPolicyFragment", bridge::kNullId, {{"Fragment", "0oRY"}})["Result"] == kFail);
}

TEST_CASE("modify: a host unmounts anything, a confined one what it has mounted, as what it was mounted") {
  const std::string path = "/nowhere/x";
  const json settings = {{"MountPath", path}, {"ContainerRootPath", path}, {"Port", 564}};
  House free;
  House confined;
  REQUIRE(confined.guard.policy().set("", "eyJhbGxvd19hbGwiOiB0cnVlfQ=="));
  for (const char* resource : {"MappedVirtualDisk", "MappedDirectory", "VPMemDevice", "CombinedLayers"}) {
    CAPTURE(resource);
    CHECK(free.modify(resource, bridge::kNullId, settings, "Remove")["Result"] == 0);
    const json answer = confined.modify(resource, bridge::kNullId, settings, "Remove");
    CHECK(answer.value("ErrorMessage", "").find("has mounted nothing there") != std::string::npos);
  }
  storage::TrackedMount other;
  other.kind = storage::MountKind::bundle;
  other.path = path;
  REQUIRE(confined.mounts.begin_add(other));
  confined.mounts.end_add(path, true);
  for (const char* resource : {"MappedVirtualDisk", "MappedDirectory", "VPMemDevice", "CombinedLayers"}) {
    const json answer = confined.modify(resource, bridge::kNullId, settings, "Remove");
    CHECK(answer.value("ErrorMessage", "").find("is a container's bundle") != std::string::npos);
  }
  CHECK(confined.modify("MappedVirtualDisk", bridge::kNullId, {{"Lun", 1}}, "Remove")["Result"] == 0);  // no path
}

TEST_CASE("dispatch: what the check says is the answer, and the handler is not reached") {
  House house;
  house.exchange.dispatch.check_first([](uint32_t type, const bridge::Body& body) -> Result<> {
    CHECK(type == static_cast<uint32_t>(MessageType::modify_settings));
    if (body.base.container_id == bridge::kNullId) return {};
    return Error(Errc::unsupported, "no");
  });
  CHECK(house.modify("SecurityPolicy", "c1")["ErrorMessage"] == "no");
  CHECK(house.modify("SecurityPolicy")["Result"] == 0);
}

TEST_CASE("modify: a resource that the protocol does not know, or not for containers, is a plain failure") {
  House house;
  for (const char* resource :
       {"", "NoSuchThing", "HvSocket", "NetworkNamespace", "MappedVirtualDiskForContainerScratch", "WCOWBlockCims",
        "CWCOWCombinedLayers", "NetworkAdapter"}) {
    CAPTURE(resource);
    CHECK(house.modify(resource)["Result"] == kFail);
  }
  CHECK(house.modify("SCSIDevice", "c1")["Result"] == kFail);
}

}  // namespace gcs::testing
