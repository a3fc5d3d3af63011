// The host's side of outages: how a bridge and a stream are cut, and how they come back.

#include <sys/socket.h>

#include <nlohmann/json.hpp>

#include "tests/host/call.h"
#include "tests/host/fake_guest.h"
#include "tests/host/kept_process.h"
#include "tests/host/local_host.h"

namespace gcs::testing {
namespace {

using host::Message;
using host::Parting;
using host::Unread;

constexpr io::Port kPort = 0x40000007;

/// A host and a guest with a negotiated bridge.
struct Bridge {
  Bridge() : guest(loop, directory.transport()), host(loop.engine(), loop.clock(), directory.transport()) {
    client().keep_calls(true);
    join();
  }
  ~Bridge() { loop.run(client().stop()); }

  host::BridgeClient& client() { return host.client(); }

  /// Gives the id of the host's negotiate.
  int64_t join() {
    auto connecting = loop.start(client().connect());
    loop.run(guest.dial());
    const auto asked = loop.run(guest.negotiate());
    loop.run_until([&connecting] { return connecting.done(); });
    REQUIRE(connecting.value());
    return asked.id;
  }
  std::shared_ptr<host::Call> ask() {
    return client().send(host::value(Message::dump_stacks), client().next_id(), "{}");
  }

  TempDir directory;
  Loop loop;
  FakeGuest guest;
  host::LocalHost host;
};

/// Remembers what a stream did.
struct Recorder final : host::StreamUser {
  void took(std::string_view bytes) override { text += bytes; }
  void parted(Parting how, size_t unread) override { partings.emplace_back(how, unread); }
  std::string text;
  std::vector<std::pair<Parting, size_t>> partings;
};

/// A stream with its first connection.
struct Stream {
  Stream() : guest(loop, directory.transport()) {
    auto listener = host::StdioListener::open(loop.engine(), directory.transport(), kPort);
    REQUIRE(listener);
    auto accepting = loop.start(listener->accept());
    theirs = loop.run(guest.dial_port(kPort));
    loop.run_until([&accepting] { return accepting.done(); });
    end.emplace(loop.engine(), loop.clock(), directory.transport(), kPort, std::move(*accepting.value()), user);
    running.emplace(loop.start(end->run()));
  }
  ~Stream() {
    loop.run(end->stop());
    loop.run_until([this] { return running->done(); });
  }

  /// Without a turn of the loop: the host has read nothing of it yet.
  void say(const std::string& text) {
    REQUIRE(::send(theirs->native_handle(), text.data(), text.size(), 0) == static_cast<ssize_t>(text.size()));
  }

  /// The guest dials the port again.
  void redial() {
    REQUIRE(end->reopen());
    theirs = loop.run(guest.dial_port(kPort));
    loop.run_until([this] { return end->is_connected(); });
  }

  TempDir directory;
  Loop loop;
  FakeGuest guest;
  Recorder user;
  std::unique_ptr<io::Stream> theirs;
  std::optional<host::StreamEnd> end;
  std::optional<Running<Done>> running;
};

}  // namespace

TEST_CASE("outage: a bridge that is cut and read to its end has handled every answer") {
  Bridge bridge;
  const auto call = bridge.ask();
  const auto request = bridge.loop.run(bridge.guest.next());
  bridge.loop.run(bridge.guest.answer(request, R"({"Result":0})"));
  bridge.client().cut(Unread::take);
  bridge.loop.run(bridge.client().lost());
  CHECK(call->result.has_value());
}

TEST_CASE("outage: a host that takes what is there and goes refuses the rest, so that none of it dies unread") {
  Bridge bridge;
  bridge.client().look_first(true);
  const auto call = bridge.ask();
  const auto request = bridge.loop.run(bridge.guest.next());
  bridge.loop.run(bridge.guest.answer(request, R"({"Result":0})"));
  CHECK_FALSE(bridge.guest.refused());
  bridge.client().cut(Unread::take);
  CHECK(bridge.guest.refused());
  bridge.loop.run(bridge.client().lost());
  CHECK(call->result.has_value());
}

TEST_CASE("outage: answers left unread die with the connection, and may come on the next one") {
  Bridge bridge;
  bridge.client().look_first(true);
  const auto first = bridge.ask();
  bridge.loop.run(bridge.guest.answer(bridge.loop.run(bridge.guest.next()), R"({"Result":0})"));
  bridge.loop.run_until([&first] { return first->result.has_value(); });
  const auto call = bridge.ask();
  const auto request = bridge.loop.run(bridge.guest.next());
  bridge.client().stop_reading(true);
  bridge.loop.run(bridge.guest.answer(request, R"({"Result":0})"));
  bridge.client().cut(Unread::leave);
  bridge.loop.run(bridge.client().lost());
  bridge.client().stop_reading(false);
  CHECK_FALSE(call->result.has_value());
  bridge.guest.vanish();
  CHECK(bridge.join() > 0);
  bridge.loop.run(bridge.guest.answer(request, R"({"Result":0})"));
  bridge.loop.run_until([&call] { return call->result.has_value(); });
  CHECK(*call->result);
}

TEST_CASE("outage: a request that the connection took in part fails alone, and spoils no other (H2)") {
  Bridge bridge;
  const auto before = bridge.ask();
  const auto heard = bridge.loop.run(bridge.guest.next());
  const std::string large(8u << 20, ' ');  // more than a connection holds; the guest does not read it
  const auto torn = bridge.client().send(host::value(Message::dump_stacks), bridge.client().next_id(), large);
  const auto behind = bridge.ask();
  bridge.loop.settle();
  bridge.guest.vanish();
  bridge.loop.run(bridge.client().lost());
  REQUIRE(torn->result);
  CHECK(torn->result->error().code() == Errc::disconnected);
  REQUIRE(behind->result);
  CHECK_FALSE(*behind->result);
  CHECK_FALSE(before->result);
  bridge.join();
  const auto next = bridge.ask();
  const auto request = bridge.loop.run(bridge.guest.next());
  CHECK(request.id == next->id);
  CHECK(request.payload == "{}");
  bridge.loop.run(bridge.guest.answer(heard, R"({"Result":0})"));
  bridge.loop.run_until([&before] { return before->result.has_value(); });
  CHECK(*before->result);
}

TEST_CASE("outage: a request is heard once the guest has read it") {
  Bridge bridge;
  bridge.ask();
  CHECK_FALSE(bridge.loop.run(bridge.client().heard(std::chrono::milliseconds(1))));
  auto hearing = bridge.loop.start(bridge.client().heard(std::chrono::seconds(10)));
  bridge.loop.run(bridge.guest.next());
  bridge.loop.run_until([&hearing] { return hearing.done(); });
  CHECK(hearing.value());
}

TEST_CASE("outage: a negotiation ends with its connection, even for a host that keeps its calls") {
  Bridge bridge;
  bridge.client().cut(Unread::take);
  bridge.loop.run(bridge.client().lost());
  bridge.guest.vanish();
  auto connecting = bridge.loop.start(bridge.client().connect());
  bridge.loop.run(bridge.guest.dial());
  bridge.loop.run(bridge.guest.next());
  bridge.client().cut(Unread::take);
  bridge.loop.run_until([&connecting] { return connecting.done(); });
  CHECK_FALSE(connecting.value());
  CHECK_FALSE(bridge.client().ended());
}

TEST_CASE("outage: a stream that is cut with `take` has given everything that was accepted") {
  Stream stream;
  stream.say("one");
  stream.end->cut(Unread::take);
  stream.loop.run(stream.end->away());
  CHECK(stream.user.text == "one");
  REQUIRE(stream.user.partings.size() == 1);
  CHECK(stream.user.partings[0] == std::pair(Parting::cut, size_t{0}));
}

TEST_CASE("outage: a stream that is cut with `leave` says how much was left, and goes on with the next connection") {
  Stream stream;
  stream.loop.settle();
  stream.say("lost");
  stream.end->cut(Unread::leave);
  stream.loop.run(stream.end->away());
  CHECK(stream.user.text == "");
  CHECK(stream.user.partings[0] == std::pair(Parting::cut, size_t{4}));
  stream.redial();
  stream.say("two");
  stream.loop.run_until([&stream] { return stream.user.text == "two"; });
}

TEST_CASE("outage: a stream that is reset looks so to the guest, and one without unread bytes cannot be") {
  Stream stream;
  CHECK_FALSE(stream.loop.run(stream.end->reset(std::chrono::milliseconds(1))));
  auto resetting = stream.loop.start(stream.end->reset(std::chrono::seconds(10)));
  stream.loop.settle();
  stream.say("unread");
  stream.loop.run_until([&resetting] { return resetting.done(); });
  CHECK(resetting.value());
  stream.loop.run(stream.end->away());
  std::array<std::byte, 8> buffer;
  const auto got = stream.loop.run(stream.theirs->read_some(buffer));
  REQUIRE_FALSE(got);
  CHECK(got.error().sys_errno() == ECONNRESET);
  CHECK(stream.user.partings[0] == std::pair(Parting::reset, size_t{6}));
}

TEST_CASE("outage: the guest's end of a stream is its end, but after an outage of the bridge it may be a break") {
  Stream stream;
  stream.theirs.reset();
  stream.loop.run(stream.end->away());
  CHECK(stream.user.partings[0].first == Parting::finished);
  stream.redial();
  stream.end->note_outage();
  stream.theirs.reset();
  stream.loop.run(stream.end->away());
  CHECK(stream.user.partings[1].first == Parting::broken);
}

TEST_CASE("outage: an input is written on through outages, and its end is told again") {
  Stream stream;
  stream.end->cut(Unread::take);
  stream.loop.run(stream.end->away());
  auto writing = stream.loop.start(stream.end->write("input"));
  stream.redial();
  stream.loop.run_until([&writing] { return writing.done(); });
  std::array<std::byte, 8> buffer;
  CHECK(*stream.loop.run(stream.theirs->read_some(buffer)) == 5);
  stream.end->end_input();
  CHECK(*stream.loop.run(stream.theirs->read_some(buffer)) == 0);
  stream.end->cut(Unread::take);
  stream.loop.run(stream.end->away());
  stream.redial();
  CHECK(*stream.loop.run(stream.theirs->read_some(buffer)) == 0);
}

TEST_CASE("outage: a port that is cut while it waits for the guest is closed, and can be opened again") {
  Stream stream;
  stream.end->cut(Unread::take);
  stream.loop.run(stream.end->away());
  REQUIRE(stream.end->reopen());
  stream.end->cut(Unread::take);
  stream.loop.run(stream.end->away());
  CHECK(stream.user.partings.back().first == Parting::untaken);
  stream.redial();
  CHECK(stream.end->is_connected());
}

}  // namespace gcs::testing
