// A ttrpc client as its server sees it, frame by frame; the connection is a fake and the clock is moved.

#include <doctest/doctest.h>

#include <random>

#include "proto/migration.pb.h"
#include "proto/ttrpc.pb.h"
#include "tests/support/fake_stream.h"
#include "tests/support/hex.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/ttrpc/client.h"
#include "tests/ttrpc/typed.h"

namespace gcs::ttrpc {
namespace {

using testing::FakePeer;
using testing::from_hex;
using testing::Loop;
using testing::ManualClock;
using testing::Running;

using Unary = Running<Answer<std::string>>;
using Message = Answer<std::optional<std::string>>;

std::string response_frame(uint32_t id, const std::string& payload) {
  ::ttrpc::Response response;
  response.set_payload(payload);
  return encode_frame(FrameType::response, id, 0, response.SerializeAsString());
}

std::string failure_frame(uint32_t id, int code, const std::string& text) {
  ::ttrpc::Response response;
  response.mutable_status()->set_code(code);
  response.mutable_status()->set_message(text);
  return encode_frame(FrameType::response, id, 0, response.SerializeAsString());
}

std::string data_frame(uint32_t id, const std::string& payload, uint8_t flags = 0) {
  return encode_frame(FrameType::data, id, flags, payload);
}

struct Bench {
  Loop loop;
  ManualClock clock;
  FakePeer peer{loop.executor()};
  Client client{loop.executor(), clock, peer.stream()};
  size_t seen = 0;

  ~Bench() { loop.run(client.stop()); }

  Unary call(const std::string& request = "", CallOptions options = CallOptions()) {
    auto running = loop.start(client.call("Test", "Echo", request, std::move(options)));
    loop.settle();
    return running;
  }

  ServerStream open(CallOptions options = CallOptions()) {
    auto opened = loop.run(client.open("Test", "Watch", "", std::move(options)));
    REQUIRE(opened);
    return std::move(*opened);
  }

  Running<Message> next(ServerStream& stream) {
    auto running = loop.start(stream.next());
    loop.settle();
    return running;
  }

  void answer(const std::string& bytes) {
    peer.send(bytes);
    loop.settle();
  }

  std::string sent() {
    loop.settle();
    const std::string bytes = peer.received().substr(seen);
    seen = peer.received().size();
    return bytes;
  }
};

TEST_CASE("ttrpc client: streams are 1, 3, 5, and answers find their calls in any order") {
  Bench bench;
  auto first = bench.call();
  auto second = bench.call();
  auto third = bench.call();
  CHECK(bench.client.in_flight() == 3);
  bench.answer(response_frame(5, "three") + response_frame(1, "one") + response_frame(3, "two"));
  CHECK(*first.value() == "one");
  CHECK(*second.value() == "two");
  CHECK(*third.value() == "three");
  CHECK(bench.client.in_flight() == 0);
}

TEST_CASE("ttrpc client: the requests of section 11.6 have their bytes, the timeout included") {
  Bench bench;
  CleanupRequest cleanup;
  cleanup.set_session_id("lm-1");
  auto cleaned = bench.loop.start(call<CleanupResponse>(bench.client, "Migration", "Cleanup", cleanup));
  CHECK(bench.sent() == from_hex("0000001c000000010100 0a094d6967726174696f6e1207436c65616e75701a060a046c6d2d31"));
  bench.answer(from_hex("00000000000000010200"));
  CHECK(cleaned.value());

  NotificationsRequest notifications;
  notifications.set_session_id("lm-1");
  auto opening = bench.loop.start(bench.client.open("Migration", "Notifications", notifications.SerializeAsString()));
  CHECK(bench.sent() ==
        from_hex("00 00 00 22 00 00 00 03 01 01 0a 09 4d 69 67 72 61 74 69 6f 6e 12 0d 4e 6f 74 69 66 69 63 61 74"
                 "69 6f 6e 73 1a 06 0a 04 6c 6d 2d 31"));
  bench.answer(
      from_hex("00 00 00 20 00 00 00 03 03 00 08 01 12 06 08 01 10 03 18 01 1a 06 08 c0 e9 8d d4 06 22 0c"
               "08 c1 e9 8d d4 06 10 80 ca b5 ee 01"
               "00 00 00 00 00 00 00 03 03 05"));
  REQUIRE(opening.value());
  const auto message = bench.loop.run(next<NotificationsResponse>(*opening.value()));
  REQUIRE(message);
  REQUIRE(*message);
  CHECK((*message)->message_id() == 1);
  CHECK((*message)->notification().origin() == ORIGIN_SOURCE);
  CHECK((*message)->notification().phase() == PHASE_BLACKOUT_STARTED);
  CHECK((*message)->notification().state() == PHASE_STATE_SUCCESS);
  const auto end = bench.loop.run(next<NotificationsResponse>(*opening.value()));
  REQUIRE(end);
  CHECK_FALSE(*end);

  FinalizeSandboxRequest finalize;
  finalize.set_session_id("lm-1");
  finalize.set_action(FINALIZE_ACTION_RESUME);
  auto finalized = bench.loop.start(call<FinalizeSandboxResponse>(bench.client, "Migration", "FinalizeSandbox",
                                                                  finalize, CallOptions(std::chrono::seconds(30))));
  CHECK(bench.sent() ==
        from_hex("00 00 00 2c 00 00 00 05 01 00 0a 09 4d 69 67 72 61 74 69 6f 6e 12 0f 46 69 6e 61 6c 69 7a 65 53"
                 "61 6e 64 62 6f 78 1a 08 0a 04 6c 6d 2d 31 10 02 20 80 d8 8e e1 6f"));
}

TEST_CASE("ttrpc client: a failure keeps the server's code and text, also a code without a name") {
  Bench bench;
  auto known = bench.call();
  auto unnamed = bench.call();
  bench.answer(failure_frame(1, 9, "not now") + failure_frame(3, 77, "what"));
  CHECK(known.value().status() == Status(Code::failed_precondition, "not now"));
  CHECK(unnamed.value().status() == Status(static_cast<Code>(77), "what"));
}

TEST_CASE("ttrpc client: metadata goes in order, keys as often as they are given") {
  Bench bench;
  auto running = bench.call("", CallOptions(std::nullopt, Metadata{{"b", "1"}, {"a", "2"}, {"b", "3"}}));
  ::ttrpc::Request request;
  REQUIRE(request.ParseFromString(bench.sent().substr(kHeaderSize)));
  REQUIRE(request.metadata_size() == 3);
  CHECK(request.metadata(0).key() == "b");
  CHECK(request.metadata(1).value() == "2");
  CHECK(request.metadata(2).value() == "3");
  CHECK(request.timeout_nano() == 0);
}

TEST_CASE("ttrpc client: a call ends at its deadline, and a late answer disturbs nobody") {
  Bench bench;
  auto running = bench.call("", CallOptions(std::chrono::seconds(30)));
  bench.clock.advance(std::chrono::seconds(29));
  bench.loop.settle();
  CHECK_FALSE(running.done());
  bench.clock.advance(std::chrono::seconds(1));
  bench.loop.settle();
  CHECK(running.value().status().code == Code::deadline_exceeded);
  CHECK(to_error(running.value().status()).code() == Errc::timed_out);
  auto next = bench.call();
  bench.answer(response_frame(1, "late") + response_frame(3, "in time"));
  CHECK(*next.value() == "in time");
}

TEST_CASE("ttrpc client: a call without time left is not sent") {
  Bench bench;
  auto running = bench.call("", CallOptions(std::chrono::seconds(0)));
  CHECK(running.value().status().code == Code::deadline_exceeded);
  CHECK(bench.sent().empty());
}

TEST_CASE("ttrpc client: a deadline also holds where the connection takes nothing") {
  Bench bench;
  bench.peer.accept_only(0);
  auto big = bench.call(std::string(2u << 20, 'x'));
  auto small = bench.call("", CallOptions(std::chrono::seconds(5)));
  CHECK_FALSE(small.done());
  bench.clock.advance(std::chrono::seconds(5));
  bench.loop.settle();
  CHECK(small.value().status().code == Code::deadline_exceeded);
  bench.peer.accept_all();
  auto after = bench.call();
  bench.answer(response_frame(1, "big") + response_frame(3, "after"));
  CHECK(*big.value() == "big");
  CHECK(*after.value() == "after");
}

TEST_CASE("ttrpc client: a stream gives its messages, the empty one too, and then its end for good") {
  Bench bench;
  ServerStream stream = bench.open();
  auto waiting = bench.next(stream);
  CHECK_FALSE(waiting.done());
  bench.answer(data_frame(1, "one") + data_frame(1, "") + data_frame(1, "last", kRemoteClosed));
  CHECK(**waiting.value() == "one");
  CHECK(**bench.next(stream).value() == "");
  CHECK(**bench.next(stream).value() == "last");
  CHECK_FALSE(*bench.next(stream).value());
  CHECK_FALSE(*bench.next(stream).value());
}

TEST_CASE("ttrpc client: a stream that fails gives what came before, and then the status") {
  Bench bench;
  ServerStream stream = bench.open();
  bench.answer(data_frame(1, "one") + failure_frame(1, 5, "gone"));
  CHECK(**bench.next(stream).value() == "one");
  CHECK(bench.next(stream).value().status() == Status(Code::not_found, "gone"));
  CHECK(bench.next(stream).value().status() == Status(Code::not_found, "gone"));
}

TEST_CASE("ttrpc client: a stream's deadline ends it between messages") {
  Bench bench;
  ServerStream stream = bench.open(CallOptions(std::chrono::seconds(3)));
  bench.answer(data_frame(1, "one"));
  CHECK(**bench.next(stream).value() == "one");
  auto waiting = bench.next(stream);
  bench.clock.advance(std::chrono::seconds(3));
  bench.loop.settle();
  CHECK(waiting.value().status().code == Code::deadline_exceeded);
}

TEST_CASE("ttrpc client: the loss of the connection fails every call as disconnected, and later ones at once") {
  for (const bool orderly : {false, true}) {
    CAPTURE(orderly);
    Bench bench;
    auto unary = bench.call();
    ServerStream stream = bench.open();
    bench.answer(data_frame(3, "kept"));
    if (orderly) bench.peer.end();
    if (!orderly) bench.peer.vanish();
    bench.loop.settle();
    CHECK_FALSE(bench.client.connected());
    CHECK(unary.value().status().code == Code::unavailable);
    CHECK(to_error(unary.value().status()).code() == Errc::disconnected);
    CHECK(**bench.next(stream).value() == "kept");
    CHECK(bench.next(stream).value().status().code == Code::unavailable);
    CHECK(bench.call().value().status().code == Code::unavailable);
  }
}

TEST_CASE("ttrpc client: a connection that is lost inside an answer loses that answer") {
  const std::string bytes = response_frame(1, "hello");
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    CAPTURE(cut);
    Bench bench;
    auto running = bench.call();
    bench.answer(bytes.substr(0, cut));
    CHECK_FALSE(running.done());
    bench.peer.end();
    bench.loop.settle();
    CHECK(running.value().status().code == Code::unavailable);
  }
}

TEST_CASE("ttrpc client: stop ends what waits") {
  Bench bench;
  auto running = bench.call();
  bench.loop.run(bench.client.stop());
  CHECK(running.value().status().code == Code::unavailable);
  CHECK(bench.call().value().status().code == Code::unavailable);
}

TEST_CASE("ttrpc client: a request that is too long is refused here, and its stream id is not used") {
  Bench bench;
  const size_t around = [] {
    ::ttrpc::Request request;
    request.set_service("Test");
    request.set_method("Echo");
    request.set_payload(std::string(kMaxPayload / 2, 'x'));
    return request.ByteSizeLong() - kMaxPayload / 2;
  }();
  auto most = bench.call(std::string(kMaxPayload - around, 'x'));
  CHECK(bench.sent().size() == kHeaderSize + kMaxPayload);
  auto more = bench.call(std::string(kMaxPayload - around + 1, 'x'));
  CHECK(more.value().status() ==
        Status(Code::resource_exhausted, "message length 4194305 exceed maximum message size of 4194304"));
  CHECK(bench.sent().empty());
  auto next = bench.call();
  CHECK(bench.sent().substr(4, 4) == from_hex("00000003"));
}

TEST_CASE("ttrpc client: an answer of 4 MiB is taken; one of a byte more fails its call alone") {
  Bench bench;
  auto fine = bench.call();
  auto failing = bench.call();
  auto other = bench.call();
  const std::string most(kMaxPayload - 5, 'x');  // a tag and a length before it
  bench.answer(response_frame(1, most) + response_frame(3, most + "x") + response_frame(5, "small"));
  CHECK(*fine.value() == most);
  CHECK(failing.value().status() ==
        Status(Code::resource_exhausted, "message length 4194305 exceed maximum message size of 4194304"));
  CHECK(*other.value() == "small");
}

TEST_CASE("ttrpc client: what no call waits for, and frames of unknown types, are ignored") {
  Bench bench;
  auto running = bench.call();
  bench.answer(response_frame(99, "whose") + data_frame(2, "whose") +
               encode_frame(static_cast<FrameType>(7), 1, 0, "what") + response_frame(1, "mine"));
  CHECK(*running.value() == "mine");
}

TEST_CASE("ttrpc client: data on a unary call, and an answer that does not parse, fail that call") {
  Bench bench;
  auto data = bench.call();
  auto broken = bench.call();
  bench.answer(data_frame(1, "x") + encode_frame(FrameType::response, 3, 0, "\xff"));
  CHECK(data.value().status().code == Code::internal);
  CHECK(broken.value().status().code == Code::internal);
  CHECK(bench.client.connected());
}

TEST_CASE("ttrpc client: a stream that nobody reads fails after a while, and holds up the others no longer") {
  Bench bench;
  ServerStream unread = bench.open();
  auto other = bench.call();
  const std::string message(1u << 20, 'x');
  for (int i = 0; i < 12; ++i) bench.answer(data_frame(1, message));
  bench.answer(response_frame(3, "at last"));
  CHECK_FALSE(other.done());
  bench.clock.advance(std::chrono::seconds(1));
  bench.loop.settle();
  CHECK(*other.value() == "at last");
  size_t kept = 0;
  for (;;) {
    const auto got = bench.loop.run(unread.next());
    if (!got) {
      CHECK(got.status().code == Code::resource_exhausted);
      break;
    }
    ++kept;
  }
  CHECK(kept <= 9);
}

TEST_CASE("ttrpc client: a stream that is let go while the client waits for its reader holds up nobody") {
  Bench bench;
  std::optional<ServerStream> stream(bench.open());
  auto other = bench.call();
  const std::string message(1u << 20, 'x');
  for (int i = 0; i < 12; ++i) bench.answer(data_frame(1, message));
  bench.answer(response_frame(3, "soon"));
  CHECK_FALSE(other.done());
  stream.reset();
  bench.loop.settle();
  CHECK(*other.value() == "soon");
}

TEST_CASE("ttrpc client: a stream whose reader keeps up gets any number of messages") {
  Bench bench;
  ServerStream stream = bench.open();
  const std::string message(1u << 20, 'x');
  for (int i = 0; i < 8; ++i) bench.answer(data_frame(1, message));
  for (int i = 0; i < 12; ++i) {
    bench.answer(data_frame(1, message));
    REQUIRE(*bench.loop.run(stream.next()));
  }
}

TEST_CASE("ttrpc client: calls that were given up are forgotten, though their answers never come") {
  Bench bench;
  for (int i = 0; i < 1000; ++i) (void)bench.call("", CallOptions(std::chrono::seconds(1)));
  CHECK(bench.client.in_flight() == 1000);
  bench.clock.advance(std::chrono::seconds(1));
  bench.loop.settle();
  CHECK(bench.client.in_flight() == 0);
  auto running = bench.call();
  bench.answer(response_frame(2001, "fine"));
  CHECK(*running.value() == "fine");
}

TEST_CASE("ttrpc client: noise ends calls, not the client") {
  std::mt19937 random(20260820);
  const std::string good = response_frame(1, "a") + data_frame(3, "b") + failure_frame(3, 5, "c");
  for (int round = 0; round < 300; ++round) {
    CAPTURE(round);
    Bench bench;
    auto unary = bench.call();
    ServerStream stream = bench.open();
    std::string bytes = good;
    for (size_t i = 0, changes = 1 + random() % 4; i < changes; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 2 == 0 ? random() : random() % 8);
    }
    bench.answer(bytes);
    bench.peer.end();
    bench.loop.settle();
    REQUIRE(unary.done());
    for (int i = 0; i < 5; ++i) REQUIRE(bench.next(stream).done());
  }
}

}  // namespace
}  // namespace gcs::ttrpc
