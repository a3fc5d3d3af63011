// A shim over a guest that plays along: what its clients and a migration ask of it, and outages in the middle.

#include <doctest/doctest.h>
#include <sys/stat.h>

#include "tests/host/fake_service.h"
#include "tests/migration/shim_service.h"
#include "tests/migration/standing_vm.h"

namespace gcs::testing {
namespace {

using namespace gcs::migration;
using host::Message;

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

struct House {
  House()
      : guest(loop, directory.transport()),
        fake(loop, directory.transport()),
        shim(loop.engine(), loop.clock(), directory.transport()),
        vm(loop.engine(), loop.clock(), {}),
        files(loop.engine(), directory / ""),
        service(loop.executor(), shim, files, vm) {
    shim.on_gone([this](std::string container) { return files.close(std::move(container)); });
  }
  ~House() {
    loop.run(service.stop());
    loop.run(shim.stop());
    loop.run(files.stop());
    loop.run(fake.stop());
  }

  /// With the guest that plays along.
  void boot() {
    auto booting = loop.start(shim.boot());
    serving.push_back(loop.start(fake.serve()));
    loop.run_until([&booting] { return booting.done(); });
    REQUIRE(booting.value());
  }

  /// With the other one.
  void boot_by_hand() {
    auto booting = loop.start(shim.boot());
    loop.run(guest.dial());
    loop.run(guest.negotiate());
    loop.run_until([&booting] { return booting.done(); });
    REQUIRE(booting.value());
  }

  bool listening() const { return exists(directory.transport().path + "_1073741824"); }

  /// Frozen, its guest gone, and the bridge's port open for that.
  void lose_while_frozen() {
    REQUIRE(shim.save("{}"));
    guest.vanish();
    loop.run_until([this] { return listening(); });
  }

  static gcs::shim::StartRequest request(const std::string& id, std::initializer_list<const char*> words) {
    gcs::shim::StartRequest request;
    request.set_container_id(id);
    request.add_layers("/layer");
    for (const char* word : words) request.add_args(word);
    return request;
  }

  /// A client who asks, and goes once the guest was asked for `what`, which it holds until then.
  template <class Response>
  void ask_and_go(Message what, io::Task<Result<Response>> call) {
    fake.hold(what);
    io::TaskGroup client(loop.executor());
    client.spawn("client", ask<Response>(std::move(call)));
    loop.run_until([this, what] { return fake.asked_for(host::name_of(host::value(what))); });
    client.cancel();
    loop.run(client.join());
    fake.release();
  }

  template <class Response>
  static io::Task<> ask(io::Task<Result<Response>> call) {
    const auto answer = co_await std::move(call);
    FAIL("nobody is there to be told");
  }

  TempDir directory;
  Loop loop;
  FakeGuest guest;
  FakeService fake;
  std::vector<Running<Done>> serving;
  Shim shim;
  StandingVm vm;
  StdioFiles files;
  ShimService service;
};

save::Payload saved(std::initializer_list<const char*> ids) {
  SandboxRecord record;
  record.vm_id = "box";
  record.next_id = 17;
  record.next_port = 0x40000009;
  uint32_t pid = 7;
  for (const char* id : ids) {
    record.containers.push_back({id, {"/layer"}, "", "/far/" + std::string(id), false, {id, pid++, {}, 5}});
  }
  return to_payload(record);
}

}  // namespace

TEST_CASE("shim: a client that goes in the middle of a Start leaves a whole container behind") {
  House house;
  house.boot();
  house.ask_and_go(Message::create, house.service.start(House::request("c1", {"sleep"})));
  house.loop.run_until([&] { return house.shim.process("c1") != nullptr; });
  CHECK(house.fake.containers() == 1);
}

TEST_CASE("shim: a client that goes in the middle of a Start that fails leaves nothing behind") {
  House house;
  house.boot();
  house.ask_and_go(Message::start, house.service.start(House::request("c1", {"missing"})));
  house.loop.run_until([&] { return house.fake.asked_for("DeleteContainerState"); });
  CHECK(house.shim.containers().empty());
  const auto again = house.loop.run(house.service.start(House::request("c1", {"sleep"})));
  CHECK_MESSAGE(again, again.error().message());
}

TEST_CASE("shim: a client that goes in the middle of a Remove leaves nothing of the container behind") {
  House house;
  house.boot();
  REQUIRE(house.loop.run(house.service.start(House::request("c1", {"exit", "3"}))));
  CHECK(*house.loop.run(house.shim.exited("c1")) == 3);
  gcs::shim::RemoveRequest request;
  request.set_container_id("c1");
  house.ask_and_go(Message::modify_settings, house.service.remove(std::move(request)));
  house.loop.run_until([&] { return house.shim.containers().empty(); });
  CHECK(house.fake.containers() == 0);
}

TEST_CASE("shim: a container that is being removed is not removed a second time") {
  House house;
  house.boot();
  REQUIRE(house.loop.run(house.service.start(House::request("c1", {"exit", "3"}))));
  REQUIRE(house.loop.run(house.shim.exited("c1")));
  house.fake.hold(Message::delete_container_state);
  auto first = house.loop.start(house.shim.remove("c1"));
  house.loop.run_until([&] { return house.fake.asked_for("DeleteContainerState"); });
  CHECK(house.loop.run(house.shim.remove("c1")).error().code() == Errc::wrong_state);
  house.fake.release();
  house.loop.run_until([&] { return first.done(); });
  CHECK(first.value());
}

TEST_CASE("shim: an id whose creation has failed may be used again") {
  House house;
  house.boot();
  const std::string good = std::exchange(house.fake.create_answer, R"({"Result":-2147467259,"ErrorMessage":"no"})");
  CHECK_FALSE(house.loop.run(house.service.start(House::request("c1", {"sleep"}))));
  house.fake.create_answer = good;
  const auto again = house.loop.run(house.service.start(House::request("c1", {"sleep"})));
  CHECK_MESSAGE(again, again.error().message());
}

TEST_CASE("shim: who goes on takes the bridge alone, also where the keeper waits for the guest") {
  House house;
  house.boot_by_hand();
  house.lose_while_frozen();
  auto resuming = house.loop.start(house.shim.resume());
  house.loop.settle();
  house.loop.run(house.guest.dial());
  CHECK(house.loop.run(house.guest.negotiate()).id == 1);
  house.loop.run_until([&] { return resuming.done(); });
  CHECK(resuming.value());
  CHECK(house.shim.state() == Shim::State::live);
  CHECK_FALSE(house.listening());
  house.guest.vanish();  // and from here on it is the keeper's
  house.loop.run(house.guest.dial());
  CHECK(house.loop.run(house.guest.negotiate()).id == 2);
}

TEST_CASE("shim: who goes on has the guest dial again where the keeper was negotiating") {
  House house;
  house.boot_by_hand();
  house.lose_while_frozen();
  house.loop.run(house.guest.dial());
  CHECK(house.loop.run(house.guest.next()).id == 1);
  auto resuming = house.loop.start(house.shim.resume());
  CHECK(house.loop.run(house.guest.next()).type == 0);
  house.loop.run(house.guest.dial());
  CHECK(house.loop.run(house.guest.negotiate()).id == 2);
  house.loop.run_until([&] { return resuming.done(); });
  CHECK(resuming.value());
}

TEST_CASE("shim: a bridge that is being taken back is left alone once the VM is on its way, and taken after all") {
  House house;
  house.boot_by_hand();
  house.lose_while_frozen();
  house.shim.set_migrating(true);
  house.loop.run_until([&] { return !house.listening(); });
  house.shim.set_migrating(false);
  house.loop.run(house.guest.dial());
  CHECK(house.loop.run(house.guest.negotiate()).id > 0);
}

TEST_CASE("shim: a VM that leaves while its guest is awaited is waited for no longer") {
  House house;
  house.boot_by_hand();
  house.lose_while_frozen();
  auto resuming = house.loop.start(house.shim.resume());
  house.loop.settle();
  house.loop.run(house.shim.leave());
  house.loop.run_until([&] { return resuming.done(); });
  CHECK(resuming.value().error().code() == Errc::wrong_state);
  CHECK_FALSE(house.listening());
}

TEST_CASE("shim: an import fails where a container's streams cannot be attended, and may be tried again") {
  House house;
  bool able = false;
  house.shim.attend_with([&](const ContainerRecord& container) -> Result<host::KeptProcess::Users> {
    if (container.id == "two" && !able) return Error(Errc::not_found, "open /io/two.out: No such file or directory");
    return house.files.open(container.id, {true, true, false});
  });
  const auto failed = house.loop.run(house.shim.import("box", saved({"one", "two"})));
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message().find("\"two\"") != std::string::npos);
  CHECK(failed.error().message().find("/io/two.out") != std::string::npos);
  CHECK(house.shim.state() == Shim::State::empty);
  able = true;
  const auto again = house.loop.run(house.shim.import("box", saved({"one", "two"})));
  REQUIRE_MESSAGE(again, again.error().message());
  CHECK(house.shim.patched());
}

TEST_CASE("shim: a container from elsewhere is cleaned up where its host had put it") {
  House house;
  house.shim.attend_with([](const ContainerRecord&) { return host::KeptProcess::Users(); });
  REQUIRE(house.loop.run(house.shim.import("box", saved({"one"}))));
  auto resuming = house.loop.start(house.shim.resume());
  house.loop.run(house.guest.dial());
  house.loop.run(house.guest.negotiate());
  house.loop.run(house.guest.answer(house.loop.run(house.guest.next()), R"({"Result":0,"ExitCode":3})"));
  house.loop.run_until([&] { return resuming.done(); });
  REQUIRE(resuming.value());
  CHECK(*house.loop.run(house.shim.exited("one")) == 3);
  auto removing = house.loop.start(house.shim.remove("one"));
  const auto layers = house.loop.run(house.guest.next());
  CHECK(layers.payload.find("\"/far/one\"") != std::string::npos);
  house.loop.run(house.guest.answer(layers, R"({"Result":0})"));
  house.loop.run(house.guest.answer(house.loop.run(house.guest.next()), R"({"Result":0})"));
  house.loop.run_until([&] { return removing.done(); });
  CHECK(removing.value());
}

}  // namespace gcs::testing
