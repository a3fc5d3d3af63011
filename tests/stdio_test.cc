// Slots, relays and stream sets over fakes: no kernel, time moved by hand.

#include <doctest/doctest.h>

#include <deque>

#include "stdio/stream_set.h"
#include "tests/support/fake_stream.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"

namespace gcs::testing {
namespace {

using namespace std::chrono_literals;
using stdio::Conn;
using stdio::Slot;

/// A host whose connections the test holds; a port that was not prepared refuses.
class FakeDialer final : public io::Dialer {
 public:
  io::Task<Result<std::unique_ptr<io::Stream>>> dial(io::Port port) override {
    dialled.push_back(port);
    if (next.empty()) co_return Error(Errc::disconnected, "nobody listens");
    auto stream = next.front()->stream();
    next.pop_front();
    co_return stream;
  }

  std::deque<FakePeer*> next;
  std::vector<io::Port> dialled;
};

/// What every case needs; the set under test last, so that its tasks end first.
struct House {
  Loop loop;
  ManualClock clock;
  FakeDialer dialer;
  bool opened = true;
  stdio::HostLink link{loop.executor(), clock, [this](const std::string&) { return opened; }};
  stdio::BufferPool pool;
  stdio::StdioContext context{loop.executor(), loop.engine(), dialer, clock, link, pool};
  FakePeer in{loop.executor()}, out{loop.executor()}, err{loop.executor()};
  FakePeer host_in{loop.executor()}, host_out{loop.executor()}, host_err{loop.executor()};
  stdio::StreamSet streams{context, "c1", "p"};

  FakePeer bridge{loop.executor()};
  std::unique_ptr<io::Stream> bridge_end = bridge.stream();

  House() { link.set_up(*bridge_end); }
  ~House() { loop.run(streams.stop()); }

  stdio::ProcessEnds ends() {
    stdio::ProcessEnds made;
    made.in = in.stream();
    made.out = out.stream();
    made.err = err.stream();
    return made;
  }

  void start_all(stdio::TailPolicy policy = stdio::TailPolicy::resume) {
    dialer.next = {&host_in, &host_out, &host_err};
    REQUIRE(loop.run(streams.dial({1, 2, 3})));
    streams.start(ends(), policy);
    loop.settle();
  }
};

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
  House house;
  house.start_all();
  CHECK(house.dialer.dialled == std::vector<io::Port>{1, 2, 3});
}

TEST_CASE("stream set: a dial that fails leaves no connection open and is not taken for an outage") {
  House house;
  house.dialer.next = {&house.host_in};
  const auto dialled = house.loop.run(house.streams.dial({1, 2, {}}));
  REQUIRE_FALSE(dialled);
  CHECK(dialled.error().code() == Errc::internal);
  CHECK(house.host_in.closed());
}

TEST_CASE("relay: output reaches the host, and the end is told by a half-close that waits for the host's close") {
  House house;
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
  House house;
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
  House house;
  house.start_all();
  house.host_out.end();
  house.loop.settle();
  house.clock.advance(20ms);  // the bridge did not follow
  house.loop.settle();
  CHECK(house.out.closed());
  CHECK_FALSE(house.err.closed());
}

TEST_CASE("relay: a host that dies closes its streams before its bridge, and that ends none of them") {
  House house;
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
  House house;
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

TEST_CASE("relay: a reset is a drop even while the bridge is up") {
  House house;
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
  House house;
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

TEST_CASE("tail: a log's bytes that died unread are sent again before anything new, without a later write (S1, S2)") {
  House house;
  house.start_all(stdio::TailPolicy::replay);
  FakePeer after(house.loop.executor());
  house.host_out.set_unread(0);
  house.out.send("read\n");
  house.loop.settle();
  house.host_out.set_unread(0);
  house.out.send("unread\n");
  house.loop.settle();
  house.host_out.set_unread(100);
  house.dialer.next = {&after};
  house.host_out.vanish();
  house.loop.settle();
  CHECK(after.received() == "unread\n");
  house.out.send("new\n");
  house.loop.settle();
  CHECK(after.received() == "unread\nnew\n");
}

TEST_CASE("tail: an orderly end tells that all was read where the transport can tell, and nothing is sent twice") {
  for (const bool tells : {true, false}) {
    CAPTURE(tells);
    House house;
    house.start_all(stdio::TailPolicy::replay);
    FakePeer after(house.loop.executor());
    if (tells) house.host_out.set_unread(10);
    house.out.send("text");
    house.loop.settle();
    house.link.set_down();
    house.host_out.hang_up();
    house.loop.settle();
    house.dialer.next = {&after};
    house.link.set_up(*house.bridge_end);
    house.loop.settle();
    CHECK(after.received() == (tells ? "" : "text"));
  }
}

TEST_CASE("tail: a count of nothing unread says nothing once the host has closed: it went with the connection") {
  House house;
  house.start_all(stdio::TailPolicy::replay);
  FakePeer after(house.loop.executor());
  house.host_out.set_unread(10);
  house.out.send("text\n");
  house.loop.settle();
  house.host_out.set_unread(0);
  house.host_out.close_unread();
  SUBCASE("when the relay looks again") {
    house.clock.advance(200ms);
  }
  SUBCASE("when the process writes more") {
    house.out.send("more\n");
  }
  house.loop.settle();
  house.dialer.next = {&after};
  house.host_out.vanish();
  house.loop.settle();
  CHECK(after.received().starts_with("text\n"));
}

TEST_CASE("tail: the bytes of other streams are not sent twice, and the rest of a chunk is not lost") {
  House house;
  house.start_all();
  FakePeer after(house.loop.executor());
  house.host_out.accept_only(4);
  house.out.send("gonekept");
  house.loop.settle();
  house.dialer.next = {&after};
  house.host_out.vanish();
  house.loop.settle();
  CHECK(after.received() == "kept");
}

TEST_CASE("tail: a stream that idles is forgotten once it is read, or has been quiet for 5 s where nobody tells") {
  for (const bool tells : {true, false}) {
    CAPTURE(tells);
    House house;
    house.start_all(stdio::TailPolicy::replay);
    FakePeer after(house.loop.executor());
    if (tells) house.host_out.set_unread(10);
    house.out.send("text");
    house.loop.settle();
    if (tells) house.host_out.set_unread(0);
    for (int i = 0; i < (tells ? 1 : 26); ++i) {
      house.clock.advance(200ms);
      house.loop.settle();
    }
    house.dialer.next = {&after};
    house.host_out.vanish();
    house.loop.settle();
    CHECK(after.received() == "");
  }
}

TEST_CASE("tail: the end of a log is told again after a break, with what died unread") {
  House house;
  house.start_all(stdio::TailPolicy::replay);
  FakePeer after(house.loop.executor());
  house.host_out.set_unread(100);
  house.out.send("last words");
  house.out.end();
  house.loop.settle();
  CHECK(house.host_out.half_closed());
  house.dialer.next = {&after};
  house.host_out.vanish();
  house.loop.settle();
  CHECK(after.received() == "last words");
  CHECK(after.half_closed());
  after.end();
  house.loop.settle();
  CHECK(house.out.closed());
}

TEST_CASE("tail: a replay that breaks is begun again on the next connection") {
  House house;
  house.start_all(stdio::TailPolicy::replay);
  FakePeer second(house.loop.executor()), third(house.loop.executor());
  house.out.send("text");
  house.loop.settle();
  second.accept_only(2);
  house.dialer.next = {&second, &third};
  house.host_out.vanish();
  house.loop.settle();
  CHECK(second.received() == "te");
  second.vanish();
  house.loop.settle();
  CHECK(third.received() == "text");
}

TEST_CASE("tail: more than its bound is never kept, and the newest bytes are") {
  stdio::Tail tail;
  std::string text;
  for (int i = 0; i < 40; ++i) {
    const auto room = tail.room().first(std::min<size_t>(tail.room().size(), 30'011));
    for (std::byte& byte : room) {
      byte = static_cast<std::byte>('a' + text.size() % 23);
      text += static_cast<char>(byte);
    }
    tail.filled(room.size());
    while (!tail.unsent().empty()) tail.sent(std::min<size_t>(tail.unsent().size(), 7'777));
  }
  CHECK(tail.kept() >= stdio::Tail::kBound);
  tail.reconnected();
  std::string again;
  while (!tail.unsent().empty()) {
    const auto piece = tail.unsent();
    again.append(reinterpret_cast<const char*>(piece.data()), piece.size());
    tail.sent(piece.size());
  }
  CHECK(again.size() == stdio::Tail::kBound);
  CHECK(text.ends_with(again));
  tail.confirmed();
  tail.release();
  CHECK(tail.unsent().empty());
  CHECK(tail.kept() == 0);
}

TEST_CASE("relay: during an outage no further byte is taken from the process") {
  House house;
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
  House house;
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
  House house;
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
  House house;
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

TEST_CASE("redial: an unanswered port is tried again every 10 ms, and given up after 15 s of a healthy session") {
  House house;
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

TEST_CASE("drained: output that a live host has not read is waited for") {
  House house;
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
  House house;
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
  House house;
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
