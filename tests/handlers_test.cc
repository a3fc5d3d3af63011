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
  HandlerContext handlers{exchange, registry, storage, network, pods_memory, [] {}};

  House() { serve_resources(handlers); }

  json answer(MessageType type, const json& request) {
    const std::string text = request.dump();
    bridge::Body body = bridge::read_body(text);
    return json::parse(loop.run(exchange.dispatch.answer(static_cast<uint32_t>(type), std::move(body))));
  }

  json modify(std::string_view resource, std::string_view container = bridge::kNullId) {
    return answer(MessageType::modify_settings,
                  {{"ContainerId", container},
                   {"Request", {{"RequestType", "Add"}, {"ResourceType", resource}, {"Settings", json::object()}}}});
  }
};

constexpr int64_t kNotImplemented = -2147467263;  // 0x80004001
constexpr int64_t kFail = -2147467259;            // 0x80004005

}  // namespace

TEST_CASE("modify: a resource of the protocol that is not served yet is not implemented, and is named") {
  House house;
  for (const char* resource : {"SecurityPolicy", "SecurityPolicyFragment"}) {
    CAPTURE(resource);
    const json answer = house.modify(resource);
    CHECK(answer["Result"] == kNotImplemented);
    CHECK(answer["ErrorMessage"].get<std::string>().find(resource) != std::string::npos);
  }
}

TEST_CASE("modify: a resource that the protocol does not know, or not for containers, is a plain failure") {
  House house;
  for (const char* resource : {"", "NoSuchThing", "HvSocket", "NetworkNamespace"}) {
    CAPTURE(resource);
    CHECK(house.modify(resource)["Result"] == kFail);
  }
  CHECK(house.modify("SCSIDevice", "c1")["Result"] == kFail);
}

}  // namespace gcs::testing
