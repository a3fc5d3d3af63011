#include <doctest/doctest.h>

#include "tests/migration/service.h"
#include "tests/support/migration_house.h"

using namespace gcs::migration;
using gcs::Errc;
using gcs::Error;
using gcs::Result;
using gcs::testing::MigrationHouse;
using gcs::ttrpc::Answer;
using gcs::ttrpc::Status;
namespace io = gcs::io;
namespace ttrpc = gcs::ttrpc;

namespace {

struct House : MigrationHouse {
  Service service{session};
  ttrpc::Services services;
  const ttrpc::CallInfo info;

  House() { service.add_to(services); }

  const ttrpc::Services::Handler& handler(const std::string& method) {
    const auto found = services.find(Service::kName, method);
    REQUIRE(found);
    return **found;
  }
  Answer<std::string> call_with(const std::string& method, std::string bytes) {
    return loop.run(std::get<ttrpc::UnaryHandler>(handler(method))(info, std::move(bytes)));
  }
  io::Task<Status> stream(std::string bytes, ttrpc::MessageSink& sink) {
    return std::get<ttrpc::StreamHandler>(handler("Notifications"))(info, std::move(bytes), sink);
  }

  template <class Request>
  Answer<std::string> call(const std::string& method, const Request& request) {
    return call_with(method, request.SerializeAsString());
  }
  /// The code on the wire; 0 for a success.
  template <class Request>
  int code(const std::string& method, const Request& request) {
    const auto answer = call(method, request);
    return answer ? 0 : static_cast<int>(answer.status().code);
  }
};

template <class Request>
Request of(const std::string& id) {
  Request request;
  request.set_session_id(id);
  return request;
}

struct Received final : ttrpc::MessageSink {
  std::vector<NotificationsResponse> events;
  bool gone = false;

  io::Task<Result<>> send(std::string message) override {
    if (gone) co_return Error(Errc::disconnected, "the client is gone");
    NotificationsResponse event;
    REQUIRE(event.ParseFromString(message));
    events.push_back(event);
    co_return Result<>();
  }
};

}  // namespace

TEST_CASE("service: a migration from bytes to bytes, both sides") {
  House source, destination;
  const auto exported = source.call("PrepareAndExportSandbox", of<PrepareAndExportSandboxRequest>("s"));
  REQUIRE(exported);
  PrepareAndExportSandboxResponse response;
  REQUIRE(response.ParseFromString(*exported));
  CHECK(response.config().type_url() == "type.microsoft.com/hcsshim.controller.migration.save.v1.Payload");

  auto import = of<ImportSandboxRequest>("s");
  import.set_sandbox_id("box");
  *import.mutable_config() = response.config();
  CHECK(destination.call("ImportSandbox", import));
  CHECK(destination.call("PrepareSandbox", of<PrepareSandboxRequest>("s")));
  for (House* house : {&source, &destination}) {
    CHECK(house->call("TransferSandbox", of<TransferSandboxRequest>("s")));
    REQUIRE(house->give_socket());
    house->loop.settle();
    house->finish();
    auto finalize = of<FinalizeSandboxRequest>("s");
    finalize.set_action(house == &source ? FINALIZE_ACTION_STOP : FINALIZE_ACTION_RESUME);
    CHECK(house->call("FinalizeSandbox", finalize));
    const auto cleaned = house->call("Cleanup", of<CleanupRequest>("s"));
    REQUIRE(cleaned);
    CHECK(cleaned->empty());
  }
  CHECK(source.script.did("leave"));
  CHECK(destination.script.did("resume"));
}

TEST_CASE("service: errors have the codes of other hosts") {
  House house;
  CHECK(house.code("Cancel", of<CancelRequest>("")) == 3);
  CHECK(house.code("Cancel", of<CancelRequest>("s")) == 3);
  auto import = of<ImportSandboxRequest>("s");
  import.set_sandbox_id("box");
  CHECK(house.code("ImportSandbox", import) == 3);
  *import.mutable_config() = MigrationHouse::config();
  import.mutable_config()->mutable_value()->append("\x12\x7f");
  CHECK(house.code("ImportSandbox", import) == 2);  // its config does not parse
  *import.mutable_config() = MigrationHouse::config();
  CHECK(house.code("ImportSandbox", import) == 0);
  CHECK(house.code("ImportSandbox", import) == 9);
  auto socket = of<CreateDuplicateSocketRequest>("s");
  CHECK(house.code("CreateDuplicateSocket", socket) == 3);
  CHECK(house.code("PrepareSandbox", of<PrepareSandboxRequest>("s")) == 0);
  socket.set_protocol_info(house.dir / "nothing");
  CHECK(house.code("CreateDuplicateSocket", socket) == 2);
  CHECK(house.session.state() == State::failed);
}

TEST_CASE("service: a payload that is no request is an error of every method, in the framework's words") {
  House house;
  for (const char* name : {"PrepareAndExportSandbox", "ImportSandbox", "PrepareSandbox", "CreateDuplicateSocket",
                           "TransferSandbox", "FinalizeSandbox", "Cancel", "Cleanup"}) {
    CAPTURE(name);
    const auto answer = house.call_with(name, "\x0a\x7f");
    REQUIRE_FALSE(answer);
    CHECK(answer.status().code == ttrpc::Code::internal);
    CHECK(answer.status().message.find("ttrpc: error unmarshalling payload: ") == 0);
  }
  Received received;
  const Status streamed = house.loop.run(house.stream("\x0a\x7f", received));
  CHECK(streamed.code == ttrpc::Code::internal);
}

TEST_CASE("service: a timeout that is no duration is refused by name, a huge one is taken") {
  House house;
  REQUIRE(house.exported());
  auto request = of<TransferSandboxRequest>("s");
  request.mutable_timeout()->set_nanos(1'000'000'000);
  CHECK(house.code("TransferSandbox", request) == 3);
  request.mutable_timeout()->set_nanos(-1);
  request.mutable_timeout()->set_seconds(1);
  CHECK(house.code("TransferSandbox", request) == 3);
  request.mutable_timeout()->set_nanos(0);
  request.mutable_timeout()->set_seconds(315'576'000'001);
  CHECK(house.code("TransferSandbox", request) == 3);
  CHECK(house.call("TransferSandbox", request).status().message.find("timeout") == 0);
  request.mutable_timeout()->set_seconds(315'576'000'000);
  CHECK(house.code("TransferSandbox", request) == 0);
  house.pass(std::chrono::minutes(29));
  CHECK(house.session.state() == State::socket_waiting);
}

TEST_CASE("service: a stream of events ends in order with the Cleanup") {
  House house;
  REQUIRE(house.exported());
  house.vm.tell(PHASE_SETUP_DONE);
  Received received;
  const std::string request = of<NotificationsRequest>("s").SerializeAsString();
  auto stream = house.loop.start(house.stream(request, received));
  house.loop.settle();
  house.vm.tell(PHASE_TRANSFER_IN_PROGRESS);
  house.loop.settle();
  REQUIRE(received.events.size() == 2);
  CHECK(received.events[1].message_id() == 2);
  CHECK(received.events[1].notification().origin() == ORIGIN_SOURCE);
  REQUIRE(house.cancel());
  REQUIRE(house.finalize(FINALIZE_ACTION_RESUME));
  CHECK_FALSE(stream.done());
  REQUIRE(house.cleanup());
  house.loop.settle();
  REQUIRE(stream.done());
  CHECK(stream.value().ok());
}

TEST_CASE("service: a client that has gone is no subscriber any more") {
  House house;
  REQUIRE(house.exported());
  Received received;
  received.gone = true;
  const std::string request = of<NotificationsRequest>("s").SerializeAsString();
  auto stream = house.loop.start(house.stream(request, received));
  house.loop.settle();
  house.vm.tell(PHASE_SETUP_DONE);
  house.loop.settle();
  REQUIRE(stream.done());
  CHECK(stream.value().code == ttrpc::Code::unavailable);
  house.pass(std::chrono::minutes(31));
  CHECK(house.session.state() == State::idle);
}

TEST_CASE("service: Notifications of no session is an error, not a crash (H11)") {
  House house;
  for (const char* id : {"", "s"}) {
    Received received;
    const Status done = house.loop.run(house.stream(of<NotificationsRequest>(id).SerializeAsString(), received));
    CHECK(done.code == ttrpc::Code::invalid_argument);
  }
}
