// What a log-like stream sends again after a break.

#include "stdio/tail.h"

#include <doctest/doctest.h>

#include "tests/support/stdio_house.h"

namespace gcs::testing {

using namespace std::chrono_literals;

TEST_CASE("tail: a log's bytes that died unread are sent again before anything new, without a later write (S1, S2)") {
  StdioHouse house;
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
    StdioHouse house;
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
  StdioHouse house;
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
  StdioHouse house;
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
    StdioHouse house;
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
  StdioHouse house;
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
  StdioHouse house;
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

TEST_CASE("tail: a stream whose rest went out with the replay, and that is quiet then, notices the next break") {
  StdioHouse house;
  house.start_all(stdio::TailPolicy::replay);
  FakePeer after(house.loop.executor()), last(house.loop.executor());
  house.host_out.accept_only(0);
  house.out.send("held");
  house.loop.settle();
  house.dialer.next = {&after};
  house.host_out.vanish();
  house.loop.settle();
  CHECK(after.received() == "held");
  house.dialer.next = {&last};
  after.vanish();
  house.loop.settle();
  CHECK(last.received() == "held");
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

}  // namespace gcs::testing
