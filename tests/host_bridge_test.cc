// The companion's bridge against a guest that keeps the rules, and one that does not.

#include <nlohmann/json.hpp>

#include "tests/host/bridge_client.h"
#include "tests/host/call.h"
#include "tests/host/fake_guest.h"
#include "tests/host/port_allocator.h"
#include "tests/host/stdio_listener.h"
#include "tests/support/manual_clock.h"

namespace gcs::testing {
namespace {

using host::BridgeClient;
using host::Message;
using nlohmann::json;

constexpr const char* kGood = R"({"Result":0})";

/// A host and its guest, after the negotiation.
struct Bridged {
  explicit Bridged(io::Clock* clock = nullptr)
      : guest(loop, directory.transport()),
        client(loop.engine(), clock != nullptr ? *clock : loop.clock(), directory.transport()) {
    auto connected = loop.start(client.connect());
    loop.run(guest.dial());
    first = loop.run(guest.negotiate());
    loop.run_until([&] { return connected.done(); });
    REQUIRE(connected.value());
  }
  ~Bridged() { loop.run(client.stop()); }

  /// Runs until the connection is gone, and says why.
  std::string end() {
    loop.run(client.lost());
    return client.why();
  }

  TempDir directory;
  Loop loop;
  FakeGuest guest;
  BridgeClient client;
  Request first;
};

/// What the host makes of a guest that sends `bytes` instead of an answer to DumpStacks (id 1).
std::string fate_of(const std::string& bytes) {
  Bridged bridged;
  auto call = bridged.loop.start(bridged.client.call(Message::dump_stacks, json::object()));
  bridged.loop.run(bridged.guest.next());
  bridged.loop.run(bridged.guest.send_bytes(bytes));
  bridged.loop.run_until([&] { return call.done(); });
  CHECK(call.value().has_value() == !bridged.client.ended());
  return call.value() ? "accepted" : call.value().error().message();
}

bool names_rule(const std::string& text, int rule) {
  return text.find("host rule " + std::to_string(rule) + " broken") != std::string::npos;
}

}  // namespace

TEST_CASE("bridge client: it negotiates with id 0 and 4..4, and numbers on from there") {
  Bridged bridged;
  CHECK(bridged.first.id == 0);
  const json body = json::parse(bridged.first.payload);
  CHECK(body["MinimumVersion"] == 4);
  CHECK(body["MaximumVersion"] == 4);
  CHECK(body["ContainerId"] == "");
  CHECK(bridged.first.payload.back() == '\n');

  auto one = bridged.loop.start(bridged.client.call(Message::dump_stacks, json::object()));
  const auto first = bridged.loop.run(bridged.guest.next());
  auto two = bridged.loop.start(bridged.client.call(Message::start, json::object()));
  const auto second = bridged.loop.run(bridged.guest.next());
  CHECK(first.id == 1);
  CHECK(second.id == 2);
  CHECK(json::parse(second.payload)["ContainerId"] == "00000000-0000-0000-0000-000000000000");
}

TEST_CASE("bridge client: answers find their calls by id, in any order") {
  Bridged bridged;
  auto one = bridged.loop.start(bridged.client.call(Message::dump_stacks, json::object()));
  const auto first = bridged.loop.run(bridged.guest.next());
  auto two = bridged.loop.start(bridged.client.call(Message::wait_for_process, json::object()));
  const auto second = bridged.loop.run(bridged.guest.next());
  bridged.loop.run(bridged.guest.answer(second, R"({"Result":0,"ExitCode":7})"));
  bridged.loop.run_until([&] { return two.done(); });
  CHECK_FALSE(one.done());
  CHECK(host::number_of(*two.value(), "ExitCode") == 7);
  bridged.loop.run(bridged.guest.answer(first, R"({"Result":-5,"ErrorMessage":"no"})"));
  bridged.loop.run_until([&] { return one.done(); });
  CHECK(host::number_of(*one.value(), "Result") == -5);
}

TEST_CASE("bridge client: a frame that breaks a rule ends the bridge and says which rule") {
  const uint32_t response = host::response_to(host::value(Message::dump_stacks));
  CHECK(fate_of(host::encode_frame(response, 1, kGood)) == "accepted");
  CHECK(fate_of(host::encode_frame(response, 1, std::string(65520 - 2, ' ') + "{}")) == "accepted");
  CHECK(fate_of(host::encode_frame(host::response_to(host::value(Message::create)), 1, kGood)) == "accepted");

  CHECK(names_rule(fate_of(host::encode_frame(response, 1, std::string(65521 - 2, ' ') + "{}")), 1));
  CHECK(names_rule(fate_of(host::encode_header({response, 15, 1})), 1));
  CHECK(names_rule(fate_of(host::encode_header({response, 0xffffffff, 1})), 1));
  CHECK(names_rule(fate_of(host::encode_frame(response, 2, kGood)), 2));
  CHECK(names_rule(fate_of(host::encode_frame(host::value(Message::dump_stacks), 1, kGood)), 3));
  CHECK(names_rule(fate_of(host::encode_frame(0x30100201, 0, "{}")), 4));
  CHECK(names_rule(fate_of(host::encode_frame(response, 1, "")), 5));
  CHECK(names_rule(fate_of(host::encode_frame(response, 1, R"({"ActivityId":""})")), 5));
  CHECK(names_rule(fate_of(host::encode_frame(0x30100101, 0, R"({"ContainerId":"nobody"})")), 6));
}

TEST_CASE("bridge client: an answer given twice ends the bridge after the call has had the first") {
  Bridged bridged;
  auto call = bridged.loop.start(bridged.client.call(Message::dump_stacks, json::object()));
  const auto request = bridged.loop.run(bridged.guest.next());
  bridged.loop.run(bridged.guest.answer(request, kGood));
  bridged.loop.run(bridged.guest.answer(request, kGood));
  CHECK(names_rule(bridged.end(), 2));
  CHECK(call.value());
  CHECK(bridged.client.ended());
}

TEST_CASE("bridge client: a call without an answer in five minutes ends the bridge, a wait does not") {
  ManualClock clock;
  Bridged bridged(&clock);
  auto wait = bridged.loop.start(bridged.client.call(Message::wait_for_process, json::object()));
  bridged.loop.run(bridged.guest.next());
  clock.advance(std::chrono::minutes(10));
  bridged.loop.settle();
  CHECK_FALSE(wait.done());

  auto call = bridged.loop.start(bridged.client.call(Message::dump_stacks, json::object()));
  bridged.loop.run(bridged.guest.next());
  clock.advance(std::chrono::minutes(5));
  CHECK(names_rule(bridged.end(), 7));
  bridged.loop.run_until([&] { return wait.done() && call.done(); });
  CHECK_FALSE(wait.value());
}

TEST_CASE("bridge client: time without a guest does not count for a call's five minutes (H3)") {
  ManualClock clock;
  Bridged bridged(&clock);
  bridged.client.keep_calls(true);
  auto call = bridged.loop.start(bridged.client.call(Message::dump_stacks, json::object()));
  const auto request = bridged.loop.run(bridged.guest.next());
  bridged.guest.vanish();
  bridged.loop.run(bridged.client.lost());
  clock.advance(std::chrono::minutes(30));
  bridged.loop.settle();
  CHECK_FALSE(bridged.client.ended());
  auto connected = bridged.loop.start(bridged.client.connect());
  bridged.loop.run(bridged.guest.dial());
  bridged.loop.run(bridged.guest.negotiate());
  bridged.loop.run_until([&] { return connected.done(); });
  clock.advance(std::chrono::minutes(4));
  bridged.loop.settle();
  CHECK_FALSE(bridged.client.ended());
  bridged.loop.run(bridged.guest.answer(request, kGood));
  bridged.loop.run_until([&] { return call.done(); });
  CHECK(call.value());
}

TEST_CASE("bridge client: an exit notification wakes who waits, once for each watch") {
  Bridged bridged;
  REQUIRE(bridged.client.watch("c1"));
  CHECK(bridged.client.watch("c1").error().code() == Errc::already_exists);
  auto exit = bridged.loop.start(bridged.client.exited("c1"));
  bridged.loop.settle();
  CHECK_FALSE(exit.done());
  bridged.loop.run(bridged.guest.notify("c1"));
  bridged.loop.run_until([&] { return exit.done(); });
  CHECK(host::text_of(*exit.value(), "Type") == "UnexpectedExit");
  CHECK(bridged.loop.run(bridged.client.exited("c1")));  // still known

  bridged.loop.run(bridged.guest.notify("c1"));
  CHECK(names_rule(bridged.end(), 6));
}

TEST_CASE("bridge client: a guest that goes, between or inside frames, fails the calls in flight") {
  const std::string frame = host::encode_frame(host::response_to(host::value(Message::dump_stacks)), 1, kGood);
  for (const size_t length : {size_t{0}, size_t{7}, size_t{16}, frame.size() - 1}) {
    Bridged bridged;
    auto call = bridged.loop.start(bridged.client.call(Message::dump_stacks, json::object()));
    bridged.loop.run(bridged.guest.next());
    bridged.loop.run(bridged.guest.send_bytes(frame.substr(0, length)));
    bridged.guest.vanish();
    bridged.end();
    bridged.loop.run_until([&] { return call.done(); });
    REQUIRE_FALSE(call.value());
    CHECK(call.value().error().code() == Errc::disconnected);
    CHECK_FALSE(bridged.client.ended());
  }
}

TEST_CASE("bridge client: calls that are kept are answered on the next connection, negotiated with the next id") {
  Bridged bridged;
  auto call = bridged.loop.start(bridged.client.call(Message::wait_for_process, json::object()));
  const auto request = bridged.loop.run(bridged.guest.next());
  bridged.client.keep_calls(true);
  bridged.client.drop();
  CHECK_FALSE(bridged.client.connected());
  CHECK(bridged.loop.run(bridged.guest.next()).type == 0);

  auto again = bridged.loop.start(bridged.client.connect());
  bridged.loop.run(bridged.guest.dial());
  const auto negotiated = bridged.loop.run(bridged.guest.negotiate());
  CHECK(negotiated.id == request.id + 1);
  bridged.loop.run_until([&] { return again.done(); });
  REQUIRE(again.value());
  CHECK_FALSE(call.done());
  bridged.loop.run(bridged.guest.answer(request, R"({"Result":0,"ExitCode":3})"));
  bridged.loop.run_until([&] { return call.done(); });
  CHECK(host::number_of(*call.value(), "ExitCode") == 3);
}

TEST_CASE("bridge client: a host that took over accepts the answer it was told to expect") {
  Bridged bridged;
  const auto adopted = bridged.client.expect(host::value(Message::wait_for_process), 41);
  bridged.client.continue_from(50);
  bridged.loop.run(bridged.guest.send(host::response_to(adopted->type), 41, R"({"ExitCode":9})"));
  const auto answer = bridged.loop.run(bridged.client.answer(adopted));
  REQUIRE(answer);
  CHECK(host::number_of(*answer, "ExitCode") == 9);
  CHECK(bridged.client.next_id() == 50);
}

TEST_CASE("bridge client: raw bytes go out as they are, and a host that stops reading takes no frame") {
  Bridged bridged;
  bridged.client.send_bytes(host::encode_frame(0x10101101, 99, "not json"));
  const auto raw = bridged.loop.run(bridged.guest.next());
  CHECK(raw.type == 0x10101101);
  CHECK(raw.id == 99);
  CHECK(raw.payload == "not json");

  bridged.client.stop_reading(true);
  auto call = bridged.loop.start(bridged.client.call(Message::dump_stacks, json::object()));
  const auto request = bridged.loop.run(bridged.guest.next());
  auto later = bridged.loop.start(bridged.client.call(Message::dump_stacks, json::object()));
  const auto second = bridged.loop.run(bridged.guest.next());
  bridged.loop.run(bridged.guest.answer(request, kGood));  // the frame that the reader was waiting for
  bridged.loop.run(bridged.guest.answer(second, kGood));
  bridged.loop.run_until([&] { return call.done(); });
  bridged.loop.settle();
  CHECK_FALSE(later.done());
  bridged.client.stop_reading(false);
  bridged.loop.run_until([&] { return later.done(); });
  CHECK(later.value());
}

TEST_CASE("bridge client: a guest that chooses another version is refused") {
  TempDir directory;
  Loop loop;
  FakeGuest guest(loop, directory.transport());
  BridgeClient client(loop.engine(), loop.clock(), directory.transport());
  auto connected = loop.start(client.connect());
  loop.run(guest.dial());
  const auto request = loop.run(guest.next());
  loop.run(guest.answer(request, R"({"Version":5,"Capabilities":{"GuestDefinedCapabilities":{}}})"));
  loop.run_until([&] { return connected.done(); });
  REQUIRE_FALSE(connected.value());
  CHECK(connected.value().error().code() == Errc::version);
  loop.run(client.stop());
}

TEST_CASE("stdio listener: it takes one connection, after which nobody listens on the port") {
  TempDir directory;
  Loop loop;
  host::PortAllocator ports;
  CHECK(ports.next() == 0x40000001);
  CHECK(ports.next() == 0x40000002);
  ports.raise(0x40000010);
  ports.raise(5);
  CHECK(ports.next() == 0x40000010);

  auto listener = host::StdioListener::open(loop.engine(), directory.transport(), 0x40000001);
  REQUIRE(listener);
  FakeGuest guest(loop, directory.transport());
  const auto theirs = loop.run(guest.dial_port(0x40000001));
  const auto ours = loop.run(listener->accept());
  REQUIRE(ours);
  CHECK_FALSE(listener->is_open());
  const auto dialer = io::make_dialer(loop.engine(), directory.transport(), 2);
  const auto again = loop.run(dialer->dial(0x40000001));
  CHECK_FALSE(again);
}

}  // namespace gcs::testing
