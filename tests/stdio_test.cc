// Slots, relays and stream sets over fakes: no kernel, time moved by hand.

#include <doctest/doctest.h>

#include "tests/support/stdio_house.h"

namespace gcs::testing {
namespace {

using namespace std::chrono_literals;
using stdio::Conn;
using stdio::Slot;

Conn conn_of(FakePeer& peer) {
  return Conn(peer.stream());
}

}  // namespace

TEST_CASE("slot: acquire waits for the refill and gives the connection with its generation") {
  Loop loop;
  FakePeer host(loop.executor());
  Slot slot(loop.executor());
  auto acquiring = loop.start(slot.acquire());
  loop.settle();
  CHECK_FALSE(acquiring.done());
  slot.refill(conn_of(host));
  loop.settle();
  REQUIRE(acquiring.done());
  REQUIRE(acquiring.value());
  CHECK(acquiring.value()->generation() == 1);
}

TEST_CASE("slot: a late drain of an older connection leaves the newer one alone") {
  Loop loop;
  FakePeer before(loop.executor()), after(loop.executor());
  Slot slot(loop.executor());
  slot.refill(conn_of(before));
  const auto old = slot.generation();
  slot.drain(old);
  CHECK(slot.is_empty());
  slot.refill(conn_of(after));
  slot.drain(old);
  CHECK_FALSE(slot.is_empty());
}

TEST_CASE("slot: closing ends every wait with nothing, for good") {
  Loop loop;
  FakePeer host(loop.executor());
  Slot slot(loop.executor());
  auto acquiring = loop.start(slot.acquire());
  loop.settle();
  slot.close();
  loop.settle();
  REQUIRE(acquiring.done());
  CHECK_FALSE(acquiring.value());
  slot.refill(conn_of(host));
  CHECK(slot.is_empty());
}

TEST_CASE("stream set: the ports are dialled in the order stdin, stdout, stderr") {
  StdioHouse house;
  house.start_all();
  CHECK(house.dialer.dialled == std::vector<io::Port>{1, 2, 3});
}

TEST_CASE("stream set: a dial that times out is tried ten times, 100 ms apart, and one that is refused is not") {
  for (const int slow : {9, 10}) {
    CAPTURE(slow);
    StdioHouse house;
    house.dialer.slow = slow;
    house.dialer.next = {&house.host_out};
    auto dialling = house.loop.start(house.streams.dial({{}, 2, {}}));
    for (int waits = 1; waits < 10; ++waits) {
      house.loop.settle();
      CHECK(house.dialer.dialled.size() == static_cast<size_t>(waits));
      CHECK_FALSE(dialling.done());
      house.clock.advance(std::chrono::milliseconds(100));
    }
    house.loop.settle();
    CHECK(house.dialer.dialled.size() == 10);
    REQUIRE(dialling.done());
    CHECK(dialling.value().has_value() == (slow == 9));
  }
  StdioHouse house;
  CHECK_FALSE(house.loop.run(house.streams.dial({{}, 2, {}})));
  CHECK(house.dialer.dialled.size() == 1);
}

TEST_CASE("stream set: a dial that fails leaves no connection open and is not taken for an outage") {
  StdioHouse house;
  house.dialer.next = {&house.host_in};
  const auto dialled = house.loop.run(house.streams.dial({1, 2, {}}));
  REQUIRE_FALSE(dialled);
  CHECK(dialled.error().code() == Errc::internal);
  CHECK(house.host_in.closed());
}

TEST_CASE("relay: output reaches the host, and the end is told by a half-close that waits for the host's close") {
  StdioHouse house;
  house.start_all();
  house.out.send("hello");
  house.out.end();
  house.loop.settle();
  CHECK(house.host_out.received() == "hello");
  CHECK(house.host_out.half_closed());
  CHECK_FALSE(house.host_out.closed());
  house.host_out.end();
  house.loop.settle();
  CHECK(house.host_out.closed());
  CHECK(house.out.closed());
}

TEST_CASE("relay: what the host sends reaches the process, and the host's end closes its stdin") {
  StdioHouse house;
  house.start_all();
  house.host_in.send("typed");
  house.loop.settle();
  CHECK(house.in.received() == "typed");
  CHECK_FALSE(house.in.closed());
  house.host_in.end();
  house.loop.settle();
  CHECK(house.in.closed());
}

TEST_CASE("relay: a host that closes stdout in order ends the stream, and the process's pipe is closed") {
  StdioHouse house;
  house.start_all();
  house.host_out.end();
  house.loop.settle();
  house.clock.advance(20ms);  // the bridge did not follow
  house.loop.settle();
  CHECK(house.out.closed());
  CHECK_FALSE(house.err.closed());
}

TEST_CASE("drained: output that a live host has not read is waited for") {
  StdioHouse house;
  house.start_all();
  house.host_out.accept_only(0);
  house.out.send("unread");
  house.out.end();
  house.err.end();
  house.host_err.end();
  auto draining = house.loop.start(house.streams.drained());
  house.loop.settle();
  for (int i = 0; i < 60; ++i) {
    house.clock.advance(1s);
    house.loop.settle();
  }
  CHECK_FALSE(draining.done());
  house.host_out.accept_all();
  house.loop.settle();
  house.host_out.end();
  house.loop.settle();
  CHECK(house.host_out.received() == "unread");
  CHECK(draining.done());
}

TEST_CASE("drained: an output that only a grandchild holds open is given up 10 s after the exit") {
  StdioHouse house;
  house.start_all();
  house.err.end();
  house.host_err.end();
  auto draining = house.loop.start(house.streams.drained());
  house.loop.settle();
  house.clock.advance(9s);
  house.loop.settle();
  CHECK_FALSE(draining.done());
  house.clock.advance(2s);
  house.loop.settle();
  house.clock.advance(1s);
  house.loop.settle();
  CHECK(draining.done());
  CHECK(house.host_out.half_closed());
}

TEST_CASE("drained: stdin is ended with the process, whatever the host does") {
  StdioHouse house;
  house.start_all();
  house.out.end();
  house.err.end();
  house.host_out.end();
  house.host_err.end();
  auto draining = house.loop.start(house.streams.drained());
  house.loop.settle();
  CHECK(draining.done());
  CHECK(house.host_in.closed());
}

}  // namespace gcs::testing
