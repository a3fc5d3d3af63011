// A ttrpc server as its clients see it, frame by frame; the connections are fakes.

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>

#include "proto/migration.pb.h"
#include "proto/ttrpc.pb.h"
#include "tests/support/fake_stream.h"
#include "tests/support/hex.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/ttrpc/server.h"
#include "tests/ttrpc/typed.h"

namespace gcs::ttrpc {
namespace {

using testing::FakePeer;
using testing::from_hex;
using testing::Loop;
using testing::ManualClock;

std::string request_bytes(const std::string& service, const std::string& method, const std::string& payload = "") {
  ::ttrpc::Request request;
  request.set_service(service);
  request.set_method(method);
  request.set_payload(payload);
  return request.SerializeAsString();
}

std::string request_frame(uint32_t id, const std::string& method, const std::string& payload = "", uint8_t flags = 0) {
  return encode_frame(FrameType::request, id, flags, request_bytes("Test", method, payload));
}

/// A header that claims what does not follow.
std::string header_of(uint32_t length, uint32_t id, FrameType type, uint8_t flags = 0) {
  std::string header = encode_frame(type, id, flags, "");
  for (size_t i = 0; i < 4; ++i) header[i] = static_cast<char>(length >> (24 - 8 * i));
  return header;
}

/// One client's connection, and what came back on it since the last look.
class Peer {
 public:
  Peer(Loop& loop, Server& server) : loop_(loop), fake_(loop.executor()) { server.attend(fake_.stream()); }

  FakePeer& fake() { return fake_; }

  void send(const std::string& bytes) {
    fake_.send(bytes);
    loop_.settle();
  }

  std::vector<Frame> received() {
    loop_.settle();
    std::string_view bytes = std::string_view(fake_.received()).substr(seen_);
    seen_ = fake_.received().size();
    std::vector<Frame> frames;
    while (auto frame = parser_.take(bytes)) frames.push_back(std::move(*frame));
    return frames;
  }

  /// The one frame that came, which must be a response.
  ::ttrpc::Response response(uint32_t id) {
    const auto frames = received();
    REQUIRE(frames.size() == 1);
    CHECK(frames[0].header.stream == id);
    CHECK(frames[0].header.type == FrameType::response);
    CHECK(frames[0].header.flags == 0);
    ::ttrpc::Response response;
    REQUIRE(response.ParseFromString(frames[0].payload));
    return response;
  }

  void expect_status(uint32_t id, int code, const std::string& message) {
    const auto answer = response(id);
    CHECK(answer.status().code() == code);
    CHECK(answer.status().message() == message);
    CHECK(answer.payload().empty());
  }

 private:
  Loop& loop_;
  FakePeer fake_;
  FrameParser parser_;
  size_t seen_ = 0;
};

/// A service that does what a case needs.
struct Bench {
  explicit Bench(Limits with = Limits()) : limits(with) {
    services.add("Test", "Echo", UnaryHandler([](const CallInfo&, std::string text) { return echo(std::move(text)); }));
    services.add("Test", "Fail", UnaryHandler([](const CallInfo&, std::string text) { return fail(std::move(text)); }));
    services.add("Test", "Throw", UnaryHandler([](const CallInfo&, std::string) { return broken(); }));
    services.add("Test", "Long",
                 UnaryHandler([](const CallInfo&, std::string size) { return fill(std::stoul(size)); }));
    services.add("Test", "Wait",
                 UnaryHandler([this](const CallInfo& call, std::string text) { return wait(call, std::move(text)); }));
    services.add("Test", "Count", StreamHandler([this](const CallInfo&, std::string count, MessageSink& sink) {
                   return this->count(std::stoul(count), sink);
                 }));
    services.add("Test", "Watch",
                 StreamHandler([this](const CallInfo&, std::string, MessageSink& sink) { return watch(sink); }));
  }
  ~Bench() { loop.run(server.stop()); }

  static io::Task<Answer<std::string>> echo(std::string text) { co_return text; }
  static io::Task<Answer<std::string>> fail(std::string text) {
    if (text.empty()) co_return Error(Errc::not_found, "no such thing");
    co_return Status(Code::failed_precondition, text);
  }
  static io::Task<Answer<std::string>> broken() {
    throw std::runtime_error("a bug");
    co_return std::string();
  }
  static io::Task<Answer<std::string>> fill(size_t size) { co_return std::string(size, 'x'); }

  struct Counted {
    explicit Counted(int& of) : count(of) { ++count; }
    ~Counted() { --count; }
    int& count;
  };

  io::Task<Answer<std::string>> wait(const CallInfo& call, std::string text) {
    const Counted counted(waiting);
    last = call;
    auto open = [this] { return released; };
    co_await gate.wait(open);
    co_return text;
  }

  /// Sends "0", "1", …; then ends in order, or with an error for an odd count.
  io::Task<Status> count(size_t count, MessageSink& sink) {
    const Counted counted(waiting);
    for (size_t i = 0; i < count; ++i) {
      const auto sent = co_await sink.send(std::to_string(i));
      if (!sent) co_return sent.error();
      ++messages_sent;
    }
    if (count % 2 == 1) co_return Status(Code::aborted, "odd");
    co_return Status();
  }

  /// One message, and then nothing until the gate opens.
  io::Task<Status> watch(MessageSink& sink) {
    const Counted counted(waiting);
    const auto sent = co_await sink.send("first");
    if (!sent) co_return sent.error();
    auto open = [this] { return released; };
    co_await gate.wait(open);
    const auto late = co_await sink.send("last");
    if (!late) {
      refused = late.error().code();
      co_return late.error();
    }
    co_return Status();
  }

  void release() {
    released = true;
    gate.notify_all();
    loop.settle();
  }

  Loop loop;
  ManualClock clock;
  io::Condition gate{loop.executor(), "test gate"};
  bool released = false;
  int waiting = 0;
  size_t messages_sent = 0;
  CallInfo last;
  std::optional<Errc> refused;
  Services services;
  Limits limits;
  Server server{loop.executor(), clock, services, limits};
};

TEST_CASE("ttrpc server: a unary call is answered on its stream by one response without a status") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Echo", "hello"));
  const auto answer = peer.response(1);
  CHECK_FALSE(answer.has_status());
  CHECK(answer.payload() == "hello");

  peer.send(request_frame(3, "Echo"));
  const auto frames = peer.received();
  REQUIRE(frames.size() == 1);
  CHECK(frames[0].header.length == 0);  // an empty message is an empty response
}

TEST_CASE("ttrpc server: a failure has the code of its Error, or the one that the handler chose") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Fail"));
  peer.expect_status(1, 5, "no such thing");
  peer.send(request_frame(3, "Fail", "not in this state"));
  peer.expect_status(3, 9, "not in this state");
  peer.send(request_frame(5, "Throw"));
  peer.expect_status(5, 2, "unexpected: a bug");
  peer.send(request_frame(7, "Echo", "still here"));
  CHECK(peer.response(7).payload() == "still here");
}

TEST_CASE("ttrpc server: the error of section 11.6 has its bytes") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Fail",
                          "cleanup migration session: cleanup not valid for Source in state Transferring: failed "
                          "precondition"));
  CHECK(peer.fake().received() ==
        from_hex("00 00 00 68 00 00 00 01 02 00 0a 66 08 09 12 62"
                 "63 6c 65 61 6e 75 70 20 6d 69 67 72 61 74 69 6f 6e 20 73 65 73 73 69 6f 6e 3a 20 63 6c 65 61 6e"
                 "75 70 20 6e 6f 74 20 76 61 6c 69 64 20 66 6f 72 20 53 6f 75 72 63 65 20 69 6e 20 73 74 61 74 65"
                 "20 54 72 61 6e 73 66 65 72 72 69 6e 67 3a 20 66 61 69 6c 65 64 20 70 72 65 63 6f 6e 64 69 74 69"
                 "6f 6e"));
}

TEST_CASE("ttrpc server: a stream is data frames and a close without data; a failure ends it with a response") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(3, "Count", "2", kRemoteClosed));
  auto frames = peer.received();
  REQUIRE(frames.size() == 3);
  for (size_t i = 0; i < 2; ++i) {
    CHECK(frames[i].header.type == FrameType::data);
    CHECK(frames[i].header.flags == 0);
    CHECK(frames[i].payload == std::to_string(i));
  }
  CHECK(frames[2].header.type == FrameType::data);
  CHECK(frames[2].header.flags == (kRemoteClosed | kNoData));
  CHECK(frames[2].payload.empty());

  peer.send(request_frame(5, "Count", "1", kRemoteClosed));
  frames = peer.received();
  REQUIRE(frames.size() == 2);
  CHECK(frames[1].header.type == FrameType::response);
  ::ttrpc::Response response;
  REQUIRE(response.ParseFromString(frames[1].payload));
  CHECK(response.status().code() == 10);
  CHECK(response.status().message() == "odd");
}

TEST_CASE("ttrpc server: what it does not know is unimplemented, by name") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(encode_frame(FrameType::request, 1, 0, request_bytes("Task", "Echo")));
  peer.expect_status(1, 12, "service Task");
  peer.send(request_frame(3, "Nothing"));
  peer.expect_status(3, 12, "method Nothing");
}

TEST_CASE("ttrpc server: a request that does not parse fails alone") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(encode_frame(FrameType::request, 1, 0, "\xff\xff\xff"));
  const auto answer = peer.response(1);
  CHECK(answer.status().code() == 3);
  CHECK(answer.status().message().starts_with("unmarshal request error: "));
  peer.send(request_frame(3, "Echo", "fine"));
  CHECK(peer.response(3).payload() == "fine");
}

TEST_CASE("ttrpc server: a payload that is not the method's message is an internal error") {
  Bench bench;
  struct Handlers {
    static io::Task<Answer<CleanupResponse>> cleanup(const CallInfo&, CleanupRequest) { co_return CleanupResponse(); }
    static io::Task<Status> notify(const CallInfo&, NotificationsRequest, TypedSink<NotificationsResponse>) {
      co_return Status();
    }
  };
  add_unary<CleanupRequest, CleanupResponse>(bench.services, "Test", "Cleanup", Handlers::cleanup);
  add_stream<NotificationsRequest, NotificationsResponse>(bench.services, "Test", "Notify", Handlers::notify);
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Cleanup", "\xff"));
  peer.expect_status(1, 13, "ttrpc: error unmarshalling payload: not a CleanupRequest");
  peer.send(request_frame(3, "Notify", "\xff", kRemoteClosed));
  peer.expect_status(3, 13, "ttrpc: error unmarshalling payload: not a NotificationsRequest");
}

TEST_CASE("ttrpc server: stream ids are odd and rise; any other is an invalid argument on that id") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(2, "Echo"));
  peer.expect_status(2, 3, "StreamID must be odd for client initiated streams");
  peer.send(request_frame(0, "Echo"));
  peer.expect_status(0, 3, "StreamID must be odd for client initiated streams");
  peer.send(request_frame(7, "Echo", "seven"));
  CHECK(peer.response(7).payload() == "seven");
  peer.send(request_frame(7, "Echo"));
  peer.expect_status(7, 3, "StreamID cannot be re-used and must increment");
  peer.send(request_frame(5, "Echo"));
  peer.expect_status(5, 3, "StreamID cannot be re-used and must increment");
  peer.send(request_frame(UINT32_MAX, "Echo", "the last one"));
  CHECK(peer.response(UINT32_MAX).payload() == "the last one");
}

TEST_CASE("ttrpc server: an id that is used again while its call runs ends that call, and the client is told once") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Wait"));
  REQUIRE(bench.waiting == 1);
  peer.send(request_frame(1, "Wait"));
  peer.expect_status(1, 3, "StreamID cannot be re-used and must increment");
  CHECK(bench.waiting == 0);
  bench.release();
  CHECK(peer.received().empty());
}

TEST_CASE("ttrpc server: data for a stream that is not there says so") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(encode_frame(FrameType::data, 9, 0, "x"));
  peer.expect_status(9, 3, "StreamID is no longer active");
  peer.send(request_frame(11, "Count", "0", kRemoteClosed));
  CHECK(peer.received().size() == 1);
  peer.send(encode_frame(FrameType::data, 11, kRemoteClosed | kNoData, ""));
  peer.expect_status(11, 3, "StreamID is no longer active");
}

TEST_CASE("ttrpc server: data on a call in progress harms nobody") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Wait", "unary"));
  peer.send(encode_frame(FrameType::data, 1, 0, "what for"));
  peer.send(encode_frame(FrameType::data, 1, kRemoteClosed | kNoData, ""));
  peer.send(request_frame(3, "Watch", "", kRemoteOpen));
  peer.send(encode_frame(FrameType::data, 3, 0, "what for"));
  peer.send(encode_frame(FrameType::data, 3, kRemoteClosed | kNoData, ""));
  CHECK(peer.received().size() == 1);  // the stream's first message
  bench.release();
  const auto frames = peer.received();
  REQUIRE(frames.size() == 3);
  CHECK(frames[0].header.stream == 1);
  CHECK(frames[0].header.type == FrameType::response);
  CHECK(frames[1].payload == "last");
  CHECK(frames[2].header.flags == (kRemoteClosed | kNoData));
}

TEST_CASE("ttrpc server: a close that carries data ends its stream, and the handler with it") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Watch", "", kRemoteOpen));
  CHECK(peer.received().size() == 1);
  REQUIRE(bench.waiting == 1);
  peer.send(encode_frame(FrameType::data, 1, kRemoteClosed, "x"));
  peer.expect_status(1, 3, "data close message cannot include data");
  CHECK(bench.waiting == 0);
}

TEST_CASE("ttrpc server: frames of types that it does not know, and responses, are ignored") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(encode_frame(static_cast<FrameType>(9), 1, 7, "from the future"));
  peer.send(encode_frame(FrameType::response, 1, 0, ""));
  CHECK(peer.received().empty());
  peer.send(request_frame(1, "Echo", "now"));
  CHECK(peer.response(1).payload() == "now");
}

TEST_CASE("ttrpc server: a frame that is too long fails its stream, and the connection lives on") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  const std::string text = "message length 4194305 exceed maximum message size of 4194304";
  peer.send(header_of(kMaxPayload + 1, 1, FrameType::request) + std::string(kMaxPayload + 1, 'x'));
  peer.expect_status(1, 8, text);
  peer.send(request_frame(1, "Echo"));
  peer.expect_status(1, 3, "StreamID cannot be re-used and must increment");

  peer.send(request_frame(3, "Wait"));
  REQUIRE(bench.waiting == 1);
  peer.send(header_of(kMaxPayload + 1, 3, FrameType::data) + std::string(kMaxPayload + 1, 'x'));
  peer.expect_status(3, 8, text);
  CHECK(bench.waiting == 0);

  const std::string most = request_bytes("Test", "Echo", std::string(kMaxPayload - 24, 'x'));
  const size_t short_of = kMaxPayload - most.size();
  const std::string exact = request_bytes("Test", "Echo", std::string(kMaxPayload - 24 + short_of, 'x'));
  REQUIRE(exact.size() == kMaxPayload);
  peer.send(encode_frame(FrameType::request, 5, 0, exact));
  CHECK(peer.response(5).payload().size() == kMaxPayload - 24 + short_of);
}

TEST_CASE("ttrpc server: an answer that is too long is refused here, and its caller told") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Long", std::to_string(kMaxPayload - 5)));  // a tag and a length before it
  const auto most = peer.received();
  REQUIRE(most.size() == 1);
  CHECK(most[0].header.length == kMaxPayload);
  peer.send(request_frame(3, "Long", std::to_string(kMaxPayload - 4)));
  peer.expect_status(3, 8, "message length 4194305 exceed maximum message size of 4194304");
  peer.send(request_frame(5, "Fail", std::string(kMaxPayload - 30, 'x')));  // so is a status
  CHECK(peer.response(5).status().code() == 9);
}

TEST_CASE("ttrpc server: a message of a stream that is too long is refused to the handler, and nothing of it is sent") {
  Bench bench;
  struct Handlers {
    static io::Task<Status> send(std::string text, MessageSink& sink) {
      const auto sent = co_await sink.send(std::move(text));
      if (!sent) co_return sent.error();
      co_return Status();
    }
  };
  bench.services.add("Test", "Stream", StreamHandler([](const CallInfo&, std::string size, MessageSink& sink) {
                       return Handlers::send(std::string(std::stoul(size), 'x'), sink);
                     }));
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Stream", std::to_string(kMaxPayload), kRemoteClosed));
  const auto frames = peer.received();
  REQUIRE(frames.size() == 2);
  CHECK(frames[0].payload.size() == kMaxPayload);
  peer.send(request_frame(3, "Stream", std::to_string(kMaxPayload + 1), kRemoteClosed));
  peer.expect_status(3, 8, "message length 4194305 exceed maximum message size of 4194304");
}

TEST_CASE("ttrpc server: metadata and deadline reach the handler, and the deadline cuts nothing off") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  ::ttrpc::Request request;
  request.set_service("Test");
  request.set_method("Wait");
  request.set_timeout_nano(30'000'000'000);
  for (const char* value : {"first", "second"}) {
    request.add_metadata()->set_key("tag");
    request.mutable_metadata()->rbegin()->set_value(value);
  }
  peer.send(encode_frame(FrameType::request, 1, 0, request.SerializeAsString()));
  REQUIRE(bench.waiting == 1);
  CHECK(bench.last.metadata == Metadata{{"tag", "first"}, {"tag", "second"}});
  REQUIRE(bench.last.deadline);
  CHECK(*bench.last.deadline == bench.clock.now() + std::chrono::seconds(30));
  bench.clock.advance(std::chrono::minutes(1));
  bench.loop.settle();
  CHECK(bench.waiting == 1);
  bench.release();
  CHECK_FALSE(peer.response(1).has_status());
}

TEST_CASE("ttrpc server: any timeout is a deadline: one that is over, and one that no clock has") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  ::ttrpc::Request request;
  request.set_service("Test");
  request.set_method("Wait");
  request.set_timeout_nano(-1);
  peer.send(encode_frame(FrameType::request, 1, 0, request.SerializeAsString()));
  CHECK(bench.last.deadline == bench.clock.now());
  request.set_timeout_nano(INT64_MAX);
  peer.send(encode_frame(FrameType::request, 3, 0, request.SerializeAsString()));
  CHECK(*bench.last.deadline > bench.clock.now() + std::chrono::hours(1000));
  request.set_timeout_nano(0);
  peer.send(encode_frame(FrameType::request, 5, 0, request.SerializeAsString()));
  CHECK_FALSE(bench.last.deadline);
}

TEST_CASE("ttrpc server: a call is taken whole wherever its bytes are cut") {
  Bench bench;
  const std::string bytes = request_frame(1, "Echo", "hello");
  for (size_t cut = 1; cut < bytes.size(); ++cut) {
    CAPTURE(cut);
    Peer peer(bench.loop, bench.server);
    peer.send(bytes.substr(0, cut));
    CHECK(peer.received().empty());
    peer.send(bytes.substr(cut));
    CHECK(peer.response(1).payload() == "hello");
    peer.fake().end();
    bench.loop.settle();
    CHECK(peer.fake().closed());
  }
}

TEST_CASE("ttrpc server: a client that goes, at any byte, takes its own calls with it and no others") {
  Bench bench;
  Peer other(bench.loop, bench.server);
  other.send(request_frame(1, "Wait", "mine"));
  const std::string bytes = request_frame(1, "Wait") + request_frame(3, "Watch", "", kRemoteClosed);
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    CAPTURE(cut);
    Peer peer(bench.loop, bench.server);
    peer.send(bytes.substr(0, cut));
    if (cut % 2 == 0) peer.fake().end();
    if (cut % 2 == 1) peer.fake().vanish();
    bench.loop.settle();
    CHECK(peer.fake().closed());
    CHECK(bench.waiting == 1);
    CHECK(bench.server.connections() == 1);
  }
  bench.release();
  CHECK(other.response(1).payload() == "mine");
}

TEST_CASE("ttrpc server: a client that takes nothing more ends its calls, too") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Watch", "", kRemoteClosed));
  REQUIRE(bench.waiting == 1);
  peer.fake().refuse();
  peer.send(request_frame(3, "Echo"));
  CHECK(bench.waiting == 0);
  CHECK(peer.fake().closed());
}

TEST_CASE("ttrpc server: a client that does not read is waited for within bounds, and holds up nobody else") {
  Bench bench;
  Peer slow(bench.loop, bench.server);
  slow.fake().accept_only(100);
  slow.send(request_frame(1, "Count", "1000000", kRemoteClosed));
  const size_t sent = bench.messages_sent;
  CHECK(sent < 200'000);  // 1 MiB of frames of 15 bytes
  for (uint32_t id = 3; id < 2003; id += 2) slow.fake().send(request_frame(id, "Nothing", std::string(1000, 'x')));
  bench.loop.settle();
  CHECK(slow.fake().unread().size() > 900'000);  // nor are its further questions taken

  Peer other(bench.loop, bench.server);
  other.send(request_frame(1, "Echo", "quick"));
  CHECK(other.response(1).payload() == "quick");
  CHECK(bench.messages_sent == sent);

  slow.fake().accept_all();
  bench.loop.run_until([&] { return bench.messages_sent == 1'000'000; });
  CHECK(slow.fake().unread().empty());
}

TEST_CASE("ttrpc server: calls in flight answer in their own order") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  for (uint32_t id = 1; id <= 199; id += 2) peer.send(request_frame(id, "Wait", std::to_string(id)));
  CHECK(bench.waiting == 100);
  peer.send(request_frame(201, "Echo", "first"));
  CHECK(peer.response(201).payload() == "first");
  bench.release();
  const auto frames = peer.received();
  REQUIRE(frames.size() == 100);
  for (const Frame& frame : frames) {
    ::ttrpc::Response response;
    REQUIRE(response.ParseFromString(frame.payload));
    CHECK(response.payload() == std::to_string(frame.header.stream));
  }
}

TEST_CASE("ttrpc server: more calls, or more of their bytes, than a connection may hold are refused") {
  Limits few;
  few.calls = 2;
  few.request_bytes = 1000;
  Bench bench(few);
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Wait", std::string(800, 'x')));
  peer.send(request_frame(3, "Wait", std::string(800, 'x')));
  peer.expect_status(3, 8, "too many calls in flight on this connection");
  peer.send(request_frame(5, "Wait"));
  peer.send(request_frame(7, "Wait"));
  peer.expect_status(7, 8, "too many calls in flight on this connection");
  CHECK(bench.waiting == 2);

  Peer other(bench.loop, bench.server);
  other.send(request_frame(1, "Echo", std::string(5000, 'x')));  // alone, any size goes
  CHECK_FALSE(other.response(1).has_status());
  bench.release();
  CHECK(peer.received().size() == 2);
  peer.send(request_frame(9, "Echo", "room again"));
  CHECK(peer.response(9).payload() == "room again");
}

TEST_CASE("ttrpc server: answers that nobody reads are kept up to a number of bytes, then refused in their turn") {
  Limits few;
  few.answer_bytes = 2000;
  Bench bench(few);
  Peer peer(bench.loop, bench.server);
  peer.fake().accept_only(0);
  std::string requests = request_frame(1, "Long", "2000000");  // leaves no room for others
  for (uint32_t id = 3; id < 13; id += 2) requests += request_frame(id, "Long", "900");
  requests += request_frame(13, "Count", "1", kRemoteClosed);
  peer.send(requests);
  peer.fake().accept_all();
  std::map<uint32_t, size_t> answered;
  std::set<uint32_t> refused;
  for (const Frame& frame : peer.received()) {
    ::ttrpc::Response response;
    if (frame.header.type != FrameType::response || !response.ParseFromString(frame.payload)) continue;
    if (response.status().code() == 8) refused.insert(frame.header.stream);
    if (!response.has_status()) answered[frame.header.stream] = response.payload().size();
  }
  CHECK(answered == std::map<uint32_t, size_t>{{1, 2000000}, {3, 900}, {5, 900}});
  CHECK(refused == std::set<uint32_t>{7, 9, 11});

  peer.send(request_frame(15, "Long", "5000"));  // alone, any size goes
  CHECK_FALSE(peer.response(15).has_status());
}

TEST_CASE("ttrpc server: stop ends calls and connections, and then takes no more") {
  Bench bench;
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Wait"));
  peer.send(request_frame(3, "Watch", "", kRemoteClosed));
  CHECK(bench.waiting == 2);
  bench.loop.run(bench.server.stop());
  CHECK(bench.waiting == 0);
  CHECK(peer.fake().closed());
  CHECK(bench.server.connections() == 0);
  Peer late(bench.loop, bench.server);
  bench.loop.settle();
  CHECK(late.fake().closed());
}

TEST_CASE("ttrpc server: noise and wrong frames are answered or ignored, and the next client is served") {
  Bench bench;
  std::mt19937 random(20260820);
  const std::string good = request_frame(1, "Echo", "a") + request_frame(3, "Count", "2", kRemoteClosed) +
                           encode_frame(FrameType::data, 3, kRemoteClosed | kNoData, "") +
                           request_frame(5, "Wait", "b");
  for (int round = 0; round < 500; ++round) {
    CAPTURE(round);
    std::string bytes = good;
    for (size_t i = 0, changes = 1 + random() % 5; i < changes; ++i) {
      bytes[random() % bytes.size()] = static_cast<char>(random() % 2 == 0 ? random() : random() % 8);
    }
    Peer peer(bench.loop, bench.server);
    const size_t cut = random() % bytes.size();
    peer.send(bytes.substr(0, cut));
    peer.send(bytes.substr(cut));
    (void)peer.received();
    peer.fake().end();
    bench.loop.settle();
    REQUIRE(peer.fake().closed());
    REQUIRE(bench.waiting == 0);
  }
  Peer peer(bench.loop, bench.server);
  peer.send(request_frame(1, "Echo", "fine"));
  CHECK(peer.response(1).payload() == "fine");
}

}  // namespace
}  // namespace gcs::ttrpc
