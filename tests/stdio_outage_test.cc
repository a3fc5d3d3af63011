// What streams do when the host goes, and what they take for that.

#include <doctest/doctest.h>

#include "tests/support/stdio_house.h"

namespace gcs::testing {

using namespace std::chrono_literals;

TEST_CASE("relay: a host that dies closes its streams before its bridge, and that ends none of them") {
  StdioHouse house;
  house.start_all();
  FakePeer in(house.loop.executor()), out(house.loop.executor());
  house.host_in.hang_up();
  house.host_out.hang_up();
  house.loop.settle();
  house.clock.advance(19ms);
  house.loop.settle();
  house.link.set_down();
  house.loop.settle();
  house.clock.advance(1s);
  house.loop.settle();
  CHECK_FALSE(house.in.closed());
  CHECK_FALSE(house.out.closed());
  house.dialer.next = {&in, &out};
  house.link.set_up(*house.bridge_end);
  house.loop.settle();
  house.out.send("on");
  house.loop.settle();
  CHECK(in.received() + out.received() == "on");
}

TEST_CASE("relay: a bridge that has hung up unnoticed makes the end of a stream an outage") {
  StdioHouse house;
  house.start_all();
  house.host_in.hang_up();
  house.host_out.hang_up();
  house.loop.settle();
  house.bridge.hang_up();
  house.clock.advance(1s);  // nobody has read the bridge's end meanwhile
  house.loop.settle();
  CHECK_FALSE(house.in.closed());
  CHECK_FALSE(house.out.closed());
  CHECK(house.dialer.dialled.size() == 3);
}

TEST_CASE("relay: an end that is noticed only after the host's return belongs to the outage") {
  StdioHouse house;
  house.start_all();
  FakePeer in(house.loop.executor()), out(house.loop.executor());
  house.link.set_down();
  house.link.set_up(*house.bridge_end);
  house.host_in.hang_up();
  house.host_out.hang_up();
  house.loop.settle();
  house.clock.advance(1s);
  house.dialer.next = {&in, &out};
  house.loop.settle();
  CHECK_FALSE(house.in.closed());
  CHECK_FALSE(house.out.closed());
}

TEST_CASE("relay: the host's confirmation of an end on a connection of the present session ends the stream at once") {
  StdioHouse house;
  house.start_all();
  house.link.set_down();
  house.host_out.vanish();
  FakePeer out(house.loop.executor());
  house.dialer.next = {&out};
  house.link.set_up(*house.bridge_end);
  house.loop.settle();
  house.out.end();
  house.loop.settle();
  REQUIRE(out.half_closed());
  out.hang_up();
  house.loop.settle();
  CHECK(house.out.closed());
}

TEST_CASE("relay: a write that the host's death cut short makes the end that follows a reset") {
  StdioHouse house;
  house.start_all();
  FakePeer after(house.loop.executor());
  house.host_out.accept_only(3);
  house.out.send("cut short");
  house.loop.settle();
  house.dialer.next = {&after};
  house.host_out.refuse();  // the reset was told to the write that got three bytes out
  house.loop.settle();
  house.host_out.hang_up();
  house.loop.settle();
  house.clock.advance(1s);
  house.loop.settle();
  CHECK(after.received() == " short");
  CHECK_FALSE(house.out.closed());
}

TEST_CASE("relay: a host that only stops reading is left after a moment, and dialled again") {
  StdioHouse house;
  house.start_all();
  FakePeer after(house.loop.executor());
  house.dialer.next = {&after};
  house.host_out.refuse();
  house.out.send("kept");
  house.loop.settle();
  CHECK(after.received().empty());
  house.clock.advance(20ms);
  house.loop.settle();
  CHECK(after.received() == "kept");
}

TEST_CASE("relay: a reset is a drop even while the bridge is up") {
  StdioHouse house;
  house.start_all();
  FakePeer after(house.loop.executor());
  house.dialer.next = {&after};
  house.host_out.vanish();
  house.loop.settle();
  house.out.send("on");
  house.loop.settle();
  CHECK(after.received() == "on");
}

TEST_CASE("redial: a new host is dialled once it has opened the container, and the limit counts from then") {
  StdioHouse house;
  house.start_all();
  FakePeer after(house.loop.executor());
  house.opened = false;
  house.link.set_down();
  house.host_out.vanish();
  house.loop.settle();
  house.link.set_up(*house.bridge_end);
  house.loop.settle();
  house.clock.advance(60s);
  house.loop.settle();
  CHECK(house.dialer.dialled.size() == 3);
  CHECK_FALSE(house.out.closed());
  house.dialer.next = {&after};
  house.opened = true;
  house.link.changed().notify_all();
  house.loop.settle();
  house.out.send("on");
  house.loop.settle();
  CHECK(after.received() == "on");
}

TEST_CASE("relay: during an outage no further byte is taken from the process") {
  StdioHouse house;
  house.start_all();
  house.link.set_down();
  house.host_out.vanish();
  house.loop.settle();
  house.out.send("kept in the pipe");
  house.loop.settle();
  CHECK(house.out.unread() == "kept in the pipe");
  CHECK_FALSE(house.out.closed());
}

TEST_CASE("relay: a chunk caught by an outage is delivered whole after the refill") {
  StdioHouse house;
  house.start_all();
  FakePeer after(house.loop.executor());
  house.host_out.accept_only(0);
  house.out.send("two\n");
  house.loop.settle();
  house.link.set_down();
  house.host_out.vanish();
  house.loop.settle();
  CHECK(house.dialer.dialled.size() == 3);  // parked: nothing is dialled without a session
  house.dialer.next = {&after};
  house.link.set_up(*house.bridge_end);
  house.loop.settle();
  CHECK(after.received() == "two\n");
}

TEST_CASE("relay: stdin's pipe stays open across an outage and goes on with the next connection") {
  StdioHouse house;
  house.start_all();
  FakePeer after(house.loop.executor());
  house.link.set_down();
  house.host_in.vanish();
  house.loop.settle();
  CHECK_FALSE(house.in.closed());
  house.dialer.next = {&after};
  house.link.set_up(*house.bridge_end);
  house.loop.settle();
  after.send("more");
  house.loop.settle();
  CHECK(house.in.received() == "more");
}

TEST_CASE("relay: a connection that died while the process took its input is an outage, also when the host is back") {
  StdioHouse house;
  house.start_all();
  FakePeer after(house.loop.executor());
  house.in.accept_only(0);
  house.host_in.send("slow");
  house.loop.settle();
  house.link.set_down();
  house.host_in.hang_up();
  house.loop.settle();
  house.link.set_up(*house.bridge_end);
  house.loop.settle();
  house.dialer.next = {&after};
  house.in.accept_all();
  house.loop.settle();
  house.clock.advance(1s);
  house.loop.settle();
  after.send("more");
  house.loop.settle();
  CHECK(house.in.received() == "slowmore");
  CHECK_FALSE(house.in.closed());
}

TEST_CASE("relay: so is one that left more behind than the process took at once") {
  StdioHouse house;
  house.start_all();
  FakePeer after(house.loop.executor());
  house.in.accept_only(0);
  house.host_in.send("slow");
  house.loop.settle();
  house.host_in.send("er");
  house.link.set_down();
  house.host_in.hang_up();
  house.link.set_up(*house.bridge_end);
  house.loop.settle();
  house.clock.advance(1s);
  house.dialer.next = {&after};
  house.in.accept_all();
  house.loop.settle();
  house.clock.advance(1s);
  house.loop.settle();
  after.send("more");
  house.loop.settle();
  CHECK(house.in.received() == "slowermore");
}

TEST_CASE("redial: an unanswered port is tried again every 10 ms, and given up after 15 s of a healthy session") {
  StdioHouse house;
  house.start_all();
  house.link.set_down();
  house.host_out.vanish();
  house.loop.settle();
  house.link.set_up(*house.bridge_end);
  house.loop.settle();
  const size_t first = house.dialer.dialled.size();
  house.clock.advance(10ms);
  house.loop.settle();
  CHECK(house.dialer.dialled.size() == first + 1);
  for (int i = 0; i < 160; ++i) {
    house.clock.advance(100ms);
    house.loop.settle();
  }
  CHECK(house.out.closed());
}

}  // namespace gcs::testing
