// Handlers over a runtime that has nothing to run: what they answer before they reach it, and after it fails.

#include "gcs/handlers.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "stdio/io/log.h"
#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"

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

/// It fails at once, or creates nothing for a while first.
class NoRuntime final : public runtime::OciRuntime {
 public:
  explicit NoRuntime(io::Executor executor) : changed_(executor, "no runtime") {}

  using Started = runtime::StartedProcess;
  io::Task<Result<Started>> create(std::string, std::string, runtime::ContainerStdio) override {
    ++creating;
    const auto may_go_on = [this] { return !stalled; };
    co_await changed_.wait(may_go_on);
    co_return absent();
  }
  io::Task<Result<>> start(std::string) override { co_return absent(); }
  io::Task<Result<Started>> exec(std::string, std::string, runtime::ContainerStdio) override { co_return absent(); }
  io::Task<Result<>> kill(std::string, int, bool) override { co_return absent(); }
  io::Task<Result<>> remove(std::string, bool) override { co_return absent(); }
  io::Task<Result<>> update(std::string, std::string) override { co_return absent(); }

  void go_on() {
    stalled = false;
    changed_.notify_all();
  }

  int creating = 0;
  bool stalled = false;

 private:
  static Error absent() { return Error(Errc::not_found, "there is no runtime"); }

  io::Condition changed_;
};

struct House {
  Loop loop;
  NoHost dialer;
  NoRuntime oci{loop.executor()};
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

  House() {
    log::mute(true);
    serve_containers(handlers);
    serve_resources(handlers);
  }

  io::Task<std::string> ask(MessageType type, const json& request) {
    const std::string text = request.dump();
    return exchange.dispatch.answer(static_cast<uint32_t>(type), bridge::read_body(text));
  }

  json answer(MessageType type, const json& request) { return json::parse(loop.run(ask(type, request))); }

  json modify(std::string_view resource, std::string_view container = bridge::kNullId, json settings = json::object(),
              std::string_view type = "Add") {
    return answer(
        MessageType::modify_settings,
        {{"ContainerId", container},
         {"Request", {{"RequestType", type}, {"ResourceType", resource}, {"Settings", std::move(settings)}}}});
  }
};

constexpr int64_t kMalformed = -1070137075;        // 0xc037010d
constexpr int64_t kFail = -2147467259;             // 0x80004005
constexpr int64_t kInvalidArgument = -2147024809;  // 0x80070057
constexpr int64_t kInvalidState = -2143878907;     // 0x80370105
constexpr int64_t kNotFound = -2147023728;         // 0x80070490
constexpr int64_t kNoContainer = -1070137074;      // 0xc037010e

json spec_in(const std::string& network_namespace) {
  json spec = json::parse(R"({"process": {"args": ["true"], "cwd": "/"}, "root": {"path": "rootfs"}, "linux": {}})");
  if (!network_namespace.empty()) spec["windows"]["network"]["networkNamespace"] = network_namespace;
  return spec;
}

json create_of(const std::string& bundle, const json& spec) {
  const json config = {
      {"SchemaVersion", {{"Major", 2}, {"Minor", 1}}}, {"OciBundlePath", bundle}, {"OciSpecification", spec}};
  return {{"ContainerId", "c1"}, {"ContainerConfig", config.dump()}};
}

}  // namespace

TEST_CASE("create: one that fails leaves no record of the network namespace that it named") {
  House house;
  const test::TempDir dir;
  json bad = spec_in("8f1d6b1e-9b7c-4d0a-a3c5-2f6f0d1e7b90");
  bad["process"]["args"] = json::array();
  for (const json& spec : {bad, spec_in("8f1d6b1e-9b7c-4d0a-a3c5-2f6f0d1e7b90")}) {
    CHECK(house.answer(MessageType::create, create_of(dir / "bundle", spec))["Result"] != 0);
    CHECK(house.network.namespaces.size() == 0);
  }
  CHECK(house.oci.creating == 1);  // the first came to its specification, the second to the runtime
}

TEST_CASE("create: a network namespace that was there before stays, whatever becomes of the container") {
  House house;
  const test::TempDir dir;
  house.network.namespaces.ensure("n");
  network::Attachment there;
  there.pid = ::getpid();
  there.host_network = true;
  REQUIRE(house.loop.run(house.network.namespaces.attach("n", std::move(there))));
  CHECK(house.answer(MessageType::create, create_of(dir / "bundle", spec_in("n")))["Result"] != 0);
  CHECK(house.network.namespaces.knows("n"));
}

TEST_CASE("create: the name of a network namespace is short") {
  House house;
  const test::TempDir dir;
  const auto refused = house.answer(MessageType::create, create_of(dir / "bundle", spec_in(std::string(129, 'n'))));
  CHECK(refused["Result"] == kInvalidArgument);
  CHECK(refused.value("ErrorMessage", "").find("windows.network.networkNamespace") != std::string::npos);
  CHECK(house.network.namespaces.size() == 0);
}

TEST_CASE("create: a sandbox in a network namespace that nobody has announced is \"not found\"") {
  House house;
  const test::TempDir dir;
  json spec = spec_in("n");
  spec["annotations"]["io.kubernetes.cri.container-type"] = "sandbox";
  spec["annotations"]["io.kubernetes.cri.sandbox-id"] = "c1";
  CHECK(house.answer(MessageType::create, create_of(dir / "bundle", spec))["Result"] == kNotFound);
}

TEST_CASE("delete: a container that is still being created stays known to the host that has asked for it") {
  House house;
  const test::TempDir dir;
  house.oci.stalled = true;
  const auto creating = house.loop.start(house.ask(MessageType::create, create_of(dir / "bundle", spec_in(""))));
  house.loop.run_until([&] { return house.oci.creating > 0; });
  bridge::Outbox& outbox = house.exchange.outbox;
  outbox.session_began(1);
  outbox.negotiated(0);
  bridge::Origin origin;
  origin.session = 1;
  origin.id = 1;
  origin.container_id = "c1";
  CHECK(outbox.saw_request(origin));
  const json request = {{"ContainerId", "c1"}};
  CHECK(house.answer(MessageType::delete_container_state, request)["Result"] == kInvalidState);
  CHECK(outbox.knows("c1"));
  house.oci.go_on();
  house.loop.run_until([&] { return creating.done(); });
  house.answer(MessageType::delete_container_state, request);
  CHECK_FALSE(outbox.knows("c1"));
}

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

TEST_CASE("modify: the VM itself is no container that could be constrained, whatever the request's type") {
  House house;
  const json settings = {{"Linux", {{"cpu", {{"shares", 512}}}}}};
  for (const char* type : {"Add", "Update", "Remove"}) {
    CAPTURE(type);
    CHECK(house.modify("ContainerConstraints", bridge::kNullId, settings, type)["Result"] == kNoContainer);
  }
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
