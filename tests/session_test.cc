// Sessions over a fake connection: negotiation, dispatch, loss, and what a host may do wrong.

#include "bridge/session.h"

#include <doctest/doctest.h>

#include <map>

#include "bridge/messages_out.h"
#include "tests/support/captured_log.h"
#include "tests/support/fake_stream.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"

namespace gcs::testing {
namespace {

using namespace gcs::bridge;

constexpr const char* kNegotiate = R"({"ContainerId":"","MinimumVersion":4,"MaximumVersion":4})";
constexpr const char* kBase = R"({"ContainerId":"c1"})";

std::string request(MessageType type, uint64_t id, std::string_view payload) {
  return encode_frame(static_cast<uint32_t>(type), id, payload);
}

struct Answer {
  Header header;
  std::string payload;
};

/// The frames that the host has received, whole ones only.
std::vector<Answer> answers_in(const std::string& bytes) {
  std::vector<Answer> answers;
  size_t at = 0;
  while (bytes.size() - at >= kHeaderSize) {
    const auto head = io::as_bytes(std::string_view(bytes).substr(at, kHeaderSize));
    const auto header = decode_header(std::span<const std::byte, kHeaderSize>(head.data(), kHeaderSize));
    REQUIRE(header);
    if (bytes.size() - at < header->size) break;
    answers.push_back({*header, bytes.substr(at + kHeaderSize, header->payload_size())});
    at += header->size;
  }
  return answers;
}

/// An exchange with one handler that answers at once (Start) and one that waits for the test (ShutdownGraceful).
struct House {
  Loop loop;
  ManualClock clock;
  Exchange exchange{loop.executor()};
  io::Condition gate{loop.executor(), "gate"};
  bool open = false;
  int started = 0;
  int negotiated = 0;
  uint64_t sessions = 0;
  io::TaskGroup running{loop.executor()};
  std::optional<Error> loss;

  House() {
    exchange.dispatch.serve(MessageType::start, [this](Body body) { return answer_start(std::move(body)); });
    exchange.dispatch.serve(MessageType::shutdown_graceful, [this](Body body) { return answer_late(std::move(body)); });
  }

  ~House() {
    running.cancel();
    loop.run(running.join());
    exchange.requests.cancel();
    loop.run(exchange.requests.join());
  }

  io::Task<Result<std::string>> answer_start(Body body) {
    ++started;
    co_return encode_success(body.base.activity_id);
  }

  io::Task<Result<std::string>> answer_late(Body body) {
    ++started;
    auto is_open = [this] { return open; };
    co_await gate.wait(is_open);
    co_return encode_success(body.base.activity_id);
  }

  io::Task<> serve(std::unique_ptr<io::Stream> conn) {
    Session session(std::move(conn), ++sessions, exchange, clock, [this](const io::Stream&) { ++negotiated; });
    loss = co_await session.run();
  }

  void connect(FakePeer& host) {
    loss.reset();
    running.spawn("session", serve(host.stream()));
    loop.settle();
  }

  void send(FakePeer& host, const std::string& bytes) {
    host.send(bytes);
    loop.settle();
  }
};

}  // namespace

TEST_CASE("session: a request right behind the negotiation is read with the negotiated version") {
  House house;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate) + request(MessageType::start, 1, kBase));
  const auto answers = answers_in(host.received());
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].header.type == 0x20100b01);
  CHECK(answers[1].header.type == 0x20100201);
  CHECK(answers[1].header.id == 1);
  CHECK(house.negotiated == 1);
  CHECK(house.started == 1);
}

TEST_CASE("session: nothing is served before the negotiation, and no second negotiation after it") {
  House house;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::start, 7, kBase));
  CHECK(house.started == 0);
  house.send(host, request(MessageType::negotiate_protocol, 8, kNegotiate));
  house.send(host, request(MessageType::negotiate_protocol, 9, kNegotiate));
  const auto answers = answers_in(host.received());
  REQUIRE(answers.size() == 3);
  CHECK(answers[0].payload.find("-2147467263") != std::string::npos);
  CHECK(answers[1].payload.find("\"Version\":4") != std::string::npos);
  CHECK(answers[2].payload.find("-2147467263") != std::string::npos);
}

TEST_CASE("session: a failed negotiation leaves the connection usable for another try") {
  House house;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, R"({"MinimumVersion":5,"MaximumVersion":9})"));
  CHECK(house.negotiated == 0);
  house.send(host, request(MessageType::negotiate_protocol, 1, kNegotiate));
  CHECK(house.negotiated == 1);
}

TEST_CASE("session: requests run beside each other, and answer in the order in which they are done") {
  House house;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate));
  house.send(host, request(MessageType::shutdown_graceful, 1, kBase) + request(MessageType::start, 2, kBase));
  REQUIRE(answers_in(host.received()).size() == 2);
  CHECK(answers_in(host.received())[1].header.id == 2);
  house.open = true;
  house.gate.notify_all();
  house.loop.settle();
  REQUIRE(answers_in(host.received()).size() == 3);
  CHECK(answers_in(host.received())[2].header.id == 1);
}

TEST_CASE("session: two requests with the same id have an answer each, with that id") {
  House house;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate));
  house.send(host, request(MessageType::shutdown_graceful, 7, kBase) + request(MessageType::start, 7, kBase));
  house.open = true;
  house.gate.notify_all();
  house.loop.settle();
  const auto answers = answers_in(host.received());
  REQUIRE(answers.size() == 3);
  CHECK(answers[1].header.type == 0x20100201);
  CHECK(answers[1].header.id == 7);
  CHECK(answers[2].header.type == 0x20100301);
  CHECK(answers[2].header.id == 7);
}

TEST_CASE("session: in sequential mode a request waits for the one before it") {
  House house;
  house.exchange.sequential = true;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate));
  house.send(host, request(MessageType::shutdown_graceful, 1, kBase) + request(MessageType::start, 2, kBase));
  CHECK(house.started == 1);
  house.open = true;
  house.gate.notify_all();
  house.loop.settle();
  const auto answers = answers_in(host.received());
  REQUIRE(answers.size() == 3);
  CHECK(answers[1].header.id == 1);
  CHECK(answers[2].header.id == 2);
}

TEST_CASE("session: in sequential mode a request that keeps the others waiting for 5 s is told of, once") {
  using std::chrono::milliseconds;
  CapturedLog log;
  House house;
  house.exchange.sequential = true;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate));
  house.send(host, request(MessageType::shutdown_graceful, 7, kBase));
  house.clock.advance(milliseconds(4999));
  house.loop.settle();
  CHECK_FALSE(log.has("takes long"));
  house.clock.advance(milliseconds(1));
  house.loop.settle();
  CHECK(log.has("a request takes long, and others wait for it request=\"ComputeSystemShutdownGracefulV1 7\""));
  house.open = true;
  house.gate.notify_all();
  house.loop.settle();
  const long lines = log.lines();
  house.send(host, request(MessageType::start, 8, kBase));
  house.clock.advance(milliseconds(60000));
  house.loop.settle();
  CHECK(log.lines() == lines);
}

TEST_CASE("session: a request that ends without an answer gives back its turn, and what it held") {
  House house;
  house.exchange.sequential = true;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate));
  house.send(host, request(MessageType::shutdown_graceful, 1, kBase));
  REQUIRE(house.exchange.request_bytes > 0);
  house.exchange.requests.cancel();
  house.loop.settle();
  CHECK(house.exchange.request_bytes == 0);
  house.send(host, request(MessageType::start, 2, kBase));
  const auto answers = answers_in(host.received());
  REQUIRE(answers.size() == 2);
  CHECK(answers[1].header.id == 2);
}

TEST_CASE("session: a handler that throws, whatever it throws, is answered as a failure") {
  House house;
  house.exchange.dispatch.serve(MessageType::create, [](Body) -> io::Task<Result<std::string>> {
    throw 42;
    co_return std::string();
  });
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate) + request(MessageType::create, 1, kBase));
  const auto answers = answers_in(host.received());
  REQUIRE(answers.size() == 2);
  CHECK(answers[1].payload.find("-2147467259") != std::string::npos);
  CHECK(house.exchange.request_bytes == 0);
}

TEST_CASE("session: a frame size out of range ends the connection, and the service goes on") {
  for (const uint32_t size : {0U, 15U, 1U << 30, 0xffffffffU}) {
    CAPTURE(size);
    House house;
    FakePeer host(house.loop.executor());
    house.connect(host);
    std::string frame = request(MessageType::start, 1, "");
    for (size_t i = 0; i < 4; ++i) frame[4 + i] = static_cast<char>(size >> (8 * i));
    house.send(host, frame);
    REQUIRE(house.loss);
    CHECK(house.loss->code() == Errc::malformed);
    CHECK(host.closed());
    FakePeer again(house.loop.executor());
    house.connect(again);
    house.send(again, request(MessageType::negotiate_protocol, 0, kNegotiate));
    CHECK(answers_in(again.received()).size() == 1);
  }
}

TEST_CASE("session: a connection that ends at any byte of a frame is a loss, and nothing of the frame is served") {
  const std::string whole = request(MessageType::start, 1, kBase);
  for (size_t cut = 0; cut < whole.size(); ++cut) {
    CAPTURE(cut);
    House house;
    FakePeer host(house.loop.executor());
    house.connect(host);
    house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate) + whole.substr(0, cut));
    host.end();
    house.loop.settle();
    REQUIRE(house.loss);
    CHECK(house.loss->code() == Errc::disconnected);
    CHECK(house.started == 0);
  }
}

TEST_CASE("session: an answer finished during an outage reaches the returning host after its negotiation") {
  House house;
  FakePeer before(house.loop.executor()), after(house.loop.executor());
  house.connect(before);
  house.send(before, request(MessageType::negotiate_protocol, 0, kNegotiate));
  house.send(before, request(MessageType::shutdown_graceful, 5, kBase));
  before.vanish();
  house.loop.settle();
  REQUIRE(house.loss);
  house.open = true;
  house.gate.notify_all();
  house.loop.settle();
  house.connect(after);
  CHECK(after.received().empty());
  house.send(after, request(MessageType::negotiate_protocol, 6, kNegotiate));
  const auto answers = answers_in(after.received());
  REQUIRE(answers.size() == 2);
  CHECK(answers[0].header.id == 6);
  CHECK(answers[1].header.id == 5);
}

TEST_CASE("session: a host that never reads is not read either once its answers fill the outbox") {
  House house;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate));
  host.accept_only(0);
  std::string many;
  for (uint64_t id = 1; id <= 10'000; ++id) many += encode_frame(0x10100e01, id, kBase);
  house.send(host, many);
  CHECK_FALSE(host.unread().empty());
  CHECK(house.exchange.outbox.queued_bytes() < (2U << 20));
  host.accept_all();
  house.loop.settle();
  CHECK(answers_in(host.received()).size() == 10'001);
}

TEST_CASE("session: an answer that the host has not read goes to it again, and none that it has") {
  for (const bool told : {true, false}) {
    CAPTURE(told);  // by the transport; else a word from the host tells that it has listened
    House house;
    FakePeer before(house.loop.executor()), after(house.loop.executor());
    if (told) before.set_unread(0);
    house.connect(before);
    house.send(before, request(MessageType::negotiate_protocol, 0, kNegotiate));
    house.send(before, request(MessageType::start, 1, kBase));
    house.send(before, request(MessageType::start, 2, kBase));
    if (told) before.set_unread(100);
    if (told) house.send(before, request(MessageType::start, 3, kBase));
    before.vanish();
    house.loop.settle();
    REQUIRE(house.loss);
    house.connect(after);
    house.send(after, request(MessageType::negotiate_protocol, 6, kNegotiate));
    const auto answers = answers_in(after.received());
    REQUIRE(answers.size() == (told ? 3 : 2));
    CHECK(answers[0].header.id == 6);
    CHECK(answers[1].header.id == 2);
    if (told) CHECK(answers[2].header.id == 3);
  }
}

TEST_CASE("session: a reset at any byte of a frame keeps what was unread") {
  const std::string torn = request(MessageType::start, 2, kBase);
  for (size_t cut = 0; cut < torn.size(); ++cut) {
    CAPTURE(cut);
    House house;
    FakePeer before(house.loop.executor()), after(house.loop.executor());
    before.set_unread(0);
    house.connect(before);
    house.send(before, request(MessageType::negotiate_protocol, 0, kNegotiate));
    before.set_unread(100);
    house.send(before, request(MessageType::start, 1, kBase));
    house.send(before, torn.substr(0, cut));
    before.vanish();
    house.loop.settle();
    house.connect(after);
    house.send(after, request(MessageType::negotiate_protocol, 3, kNegotiate));
    const auto answers = answers_in(after.received());
    REQUIRE(answers.size() == 2);
    CHECK(answers[1].header.id == 1);
  }
}

TEST_CASE("session: a host that takes nothing more has not ended yet, and its reset still tells what it had not read") {
  for (const bool reset : {true, false}) {
    CAPTURE(reset);
    House house;
    FakePeer before(house.loop.executor()), after(house.loop.executor());
    before.set_unread(0);
    house.connect(before);
    house.send(before, request(MessageType::negotiate_protocol, 0, kNegotiate));
    before.set_unread(100);
    house.send(before, request(MessageType::start, 1, kBase));
    before.refuse();
    house.send(before, request(MessageType::start, 2, kBase));
    CHECK_FALSE(house.loss);
    if (reset) before.vanish();
    if (!reset) before.end();
    house.loop.settle();
    REQUIRE(house.loss);
    house.connect(after);
    house.send(after, request(MessageType::negotiate_protocol, 3, kNegotiate));
    CHECK(answers_in(after.received()).size() == (reset ? 3 : 2));
  }
}

TEST_CASE("session: a host that takes no answers and goes on asking is given up before they heap up") {
  House house;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate));
  host.refuse();
  uint64_t id = 1;
  while (id < 100'000 && !house.loss) {
    std::string many;
    for (int i = 0; i < 1000; ++i) many += request(MessageType::start, id++, kBase);
    house.send(host, many);
  }
  REQUIRE(house.loss);
  CHECK(house.exchange.outbox.owed() < 100'000);
}

TEST_CASE("session: a host that has shut its reading side alone, and says nothing, is given up once a write has told") {
  House house;
  FakePeer before(house.loop.executor()), after(house.loop.executor());
  house.connect(before);
  house.send(before, request(MessageType::negotiate_protocol, 0, kNegotiate));
  before.refuse();
  house.clock.advance(std::chrono::hours(1));
  house.loop.settle();
  CHECK_FALSE(house.loss);  // nothing was written, so nobody can know
  house.send(before, request(MessageType::start, 1, kBase));
  house.clock.advance(std::chrono::milliseconds(999));
  house.loop.settle();
  CHECK_FALSE(house.loss);  // an end that tells more may be on its way
  house.clock.advance(std::chrono::milliseconds(1));
  house.loop.settle();
  REQUIRE(house.loss);
  house.connect(after);
  house.send(after, request(MessageType::negotiate_protocol, 2, kNegotiate));
  CHECK(answers_in(after.received()).size() == 2);
}

TEST_CASE("session: a host that is given up gets again what it has left unread, and nothing that it has read") {
  for (const size_t unread : {0, 100}) {
    CAPTURE(unread);
    House house;
    FakePeer before(house.loop.executor()), after(house.loop.executor());
    before.set_unread(0);
    house.connect(before);
    house.send(before, request(MessageType::negotiate_protocol, 0, kNegotiate));
    before.set_unread(100);
    house.send(before, request(MessageType::start, 1, kBase));
    before.refuse();
    house.send(before, request(MessageType::start, 2, kBase));
    before.set_unread(unread);
    house.clock.advance(std::chrono::seconds(1));
    house.loop.settle();
    REQUIRE(house.loss);
    house.connect(after);
    house.send(after, request(MessageType::negotiate_protocol, 3, kNegotiate));
    CHECK(answers_in(after.received()).size() == (unread == 0 ? 2 : 3));
  }
}

TEST_CASE("session: a count of nothing unread says nothing once the host has closed: its answers go to it again") {
  House house;
  FakePeer host(house.loop.executor());
  house.connect(host);
  house.send(host, request(MessageType::negotiate_protocol, 0, kNegotiate));
  host.set_unread(100);
  house.send(host, request(MessageType::start, 1, kBase));
  host.set_unread(0);
  host.close_unread();
  house.send(host, request(MessageType::start, 2, kBase));  // was on its way
  host.vanish();
  house.loop.settle();
  REQUIRE(house.loss);
  FakePeer again(house.loop.executor());
  house.connect(again);
  house.send(again, request(MessageType::negotiate_protocol, 3, kNegotiate));
  const auto answers = answers_in(again.received());
  REQUIRE(answers.size() == 3);
  CHECK(answers[1].header.id == 1);
  CHECK(answers[2].header.id == 2);
}

TEST_CASE("session: an orderly end of a connection that tells what is unread leaves nothing in doubt") {
  House house;
  FakePeer before(house.loop.executor()), after(house.loop.executor());
  before.set_unread(100);
  house.connect(before);
  house.send(before, request(MessageType::negotiate_protocol, 0, kNegotiate));
  house.send(before, request(MessageType::start, 1, kBase));
  before.end();
  house.loop.settle();
  REQUIRE(house.loss);
  house.connect(after);
  house.send(after, request(MessageType::negotiate_protocol, 6, kNegotiate));
  CHECK(answers_in(after.received()).size() == 1);
}

TEST_CASE("session: of a write that the break cut short, the whole frames are in doubt and the rest is owed") {
  House house;
  FakePeer before(house.loop.executor()), after(house.loop.executor());
  before.set_unread(0);
  house.connect(before);
  house.send(before, request(MessageType::negotiate_protocol, 0, kNegotiate));
  before.accept_only(0);
  for (uint64_t id = 1; id <= 3; ++id) house.send(before, request(MessageType::start, id, kBase));
  before.set_unread(100);
  before.accept_only(100);
  house.loop.settle();
  before.vanish();
  house.loop.settle();
  house.connect(after);
  house.send(after, request(MessageType::negotiate_protocol, 6, kNegotiate));
  const auto answers = answers_in(after.received());
  REQUIRE(answers.size() == 4);
  for (uint64_t id = 1; id <= 3; ++id) CHECK(answers[id].header.id == id);
}

TEST_CASE("session: requests that arrived before the break are served, though no answer can be written any more") {
  House house;
  FakePeer before(house.loop.executor()), after(house.loop.executor());
  house.connect(before);
  house.send(before, request(MessageType::negotiate_protocol, 0, kNegotiate));
  before.refuse();
  before.send(request(MessageType::start, 1, kBase) + request(MessageType::start, 2, kBase));
  before.end();
  house.loop.settle();
  REQUIRE(house.loss);
  CHECK(house.started == 2);
  house.connect(after);
  house.send(after, request(MessageType::negotiate_protocol, 6, kNegotiate));
  CHECK(answers_in(after.received()).size() == 3);
}

}  // namespace gcs::testing
