// QEMU's monitor as a client sees it: answers and events, junk and loss, and descriptors that are handed over.

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <nlohmann/json.hpp>

#include "tests/migration/qmp.h"
#include "tests/support/fake_stream.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"

namespace gcs::testing {
namespace {

using host::json;
using migration::Qmp;
using migration::QmpEvent;
using namespace std::chrono_literals;

constexpr const char* kGreeting = "{\"QMP\": {\"version\": {}, \"capabilities\": [\"oob\"]}}\r\n";

struct House {
  Loop loop;
  ManualClock clock;
  FakePeer qemu{loop.executor()};
  Qmp qmp{loop.engine(), clock, qemu.stream()};
  ~House() { loop.run(qmp.stop()); }

  /// The commands that QEMU has been sent.
  std::vector<json> sent() const {
    std::vector<json> commands;
    std::istringstream lines(qemu.received());
    for (std::string line; std::getline(lines, line);) commands.push_back(json::parse(line));
    return commands;
  }
  void answer(int64_t id, const json& value) {
    qemu.send(json({{"return", value}, {"id", id}}).dump() + "\r\n");
    loop.settle();
  }
};

TEST_CASE("qmp: nothing is sent before the greeting, then capabilities are negotiated") {
  House house;
  auto negotiated = house.loop.start(house.qmp.negotiate());
  house.loop.settle();
  CHECK(house.qemu.received().empty());

  house.qemu.send(kGreeting);
  house.loop.settle();
  REQUIRE(house.sent().size() == 1);
  CHECK(house.sent()[0]["execute"] == "qmp_capabilities");
  CHECK_FALSE(negotiated.done());

  house.answer(house.sent()[0]["id"], json::object());
  REQUIRE(negotiated.done());
  CHECK(negotiated.value());
}

TEST_CASE("qmp: a monitor that does not greet is given up") {
  House house;
  auto negotiated = house.loop.start(house.qmp.negotiate());
  house.loop.settle();
  house.clock.advance(Qmp::kAnswerLimit);
  house.loop.settle();
  REQUIRE(negotiated.done());
  CHECK(negotiated.value().error().code() == Errc::timed_out);
}

TEST_CASE("qmp: answers find their commands, in whatever order they come") {
  House house;
  auto first = house.loop.start(house.qmp.execute("query-status"));
  auto second = house.loop.start(house.qmp.execute("query-migrate", json{{"a", 1}}));
  house.loop.settle();
  const auto sent = house.sent();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0]["execute"] == "query-status");
  CHECK(sent[1]["arguments"] == json{{"a", 1}});

  house.answer(sent[1]["id"], "two");
  CHECK(second.done());
  CHECK_FALSE(first.done());
  house.answer(sent[0]["id"], "one");
  CHECK(**&first.value() == "one");
  CHECK(**&second.value() == "two");
}

TEST_CASE("qmp: an answer that comes byte by byte is one") {
  House house;
  auto call = house.loop.start(house.qmp.execute("query-status"));
  house.loop.settle();
  const std::string line = "{\"return\": {\"status\": \"running\"}, \"id\": 1}\r\n";
  for (const char c : line) {
    CHECK_FALSE(call.done());
    house.qemu.send(std::string(1, c));
    house.loop.settle();
  }
  REQUIRE(call.done());
  CHECK((*call.value())["status"] == "running");
}

TEST_CASE("qmp: what QEMU refuses carries its own words, and a code by its class") {
  const std::pair<const char*, Errc> rows[] = {
      {"GenericError", Errc::internal},       {"CommandNotFound", Errc::unsupported},
      {"DeviceNotActive", Errc::wrong_state}, {"DeviceNotFound", Errc::not_found},
      {"KVMMissingCap", Errc::internal},      {"SomethingNew", Errc::internal}};
  for (const auto& [kind, code] : rows) {
    CAPTURE(kind);
    House house;
    auto call = house.loop.start(house.qmp.execute("cont"));
    house.loop.settle();
    house.qemu.send(json({{"error", {{"class", kind}, {"desc", "not now"}}}, {"id", 1}}).dump() + "\n");
    house.loop.settle();
    REQUIRE(call.done());
    CHECK(call.value().error().code() == code);
    CHECK(call.value().error().message() == "cont: not now (" + std::string(kind) + ")");
    CHECK_FALSE(house.qmp.broken());
  }
}

TEST_CASE("qmp: events come with QEMU's time, in its order, and before the answer behind them") {
  House house;
  std::vector<std::string> told;
  std::chrono::system_clock::time_point when;
  auto call = house.loop.start(house.qmp.execute("cont"));
  house.loop.settle();
  house.qmp.on_event([&](const QmpEvent& event) {
    told.push_back(event.name + " " + event.data.dump() + (call.done() ? " late" : ""));
    when = event.when;
  });
  house.qemu.send("{\"event\": \"MIGRATION\", \"data\": {\"status\": \"active\"}}\n");
  house.qemu.send("{\"timestamp\": {\"seconds\": 7, \"microseconds\": 5}, \"event\": \"RESUME\"}\n");
  house.qemu.send("{\"return\": {}, \"id\": 1}\n");
  house.loop.settle();
  CHECK(call.done());
  CHECK(told == std::vector<std::string>{"MIGRATION {\"status\":\"active\"}", "RESUME {}"});
  CHECK(when.time_since_epoch() == 7s + 5us);
}

TEST_CASE("qmp: an event whose time QEMU could not get is of now") {
  House house;
  const auto before = std::chrono::system_clock::now();
  std::optional<std::chrono::system_clock::time_point> when;
  house.qmp.on_event([&](const QmpEvent& event) { when = event.when; });
  house.qemu.send("{\"timestamp\": {\"seconds\": -1, \"microseconds\": -1}, \"event\": \"STOP\"}\n");
  house.loop.settle();
  REQUIRE(when);
  CHECK(*when >= before);
}

TEST_CASE("qmp: a lost connection fails every call, those that come later too") {
  House house;
  bool told = false;
  house.qmp.on_broken([&] { told = true; });
  auto one = house.loop.start(house.qmp.execute("query-status"));
  auto two = house.loop.start(house.qmp.execute("query-migrate"));
  auto greeting = house.loop.start(house.qmp.negotiate());
  house.loop.settle();
  SUBCASE("closed in order") {
    house.qemu.end();
  }
  SUBCASE("reset") {
    house.qemu.vanish();
  }
  house.loop.settle();
  REQUIRE(one.done());
  REQUIRE(two.done());
  REQUIRE(greeting.done());
  CHECK(one.value().error().code() == Errc::disconnected);
  CHECK(two.value().error().code() == Errc::disconnected);
  CHECK(greeting.value().error().code() == Errc::disconnected);
  CHECK(house.qmp.broken());
  CHECK(told);
  CHECK(house.loop.run(house.qmp.execute("cont")).error().code() == Errc::disconnected);
}

TEST_CASE("qmp: a line that is no QMP breaks the connection, and its calls end") {
  const std::string rows[] = {"QEMU 7.2 monitor\n",
                              "\n",
                              "[{\"return\": {}}]\n",
                              "{}\n",
                              "{\"return\": {}}\n",
                              "{\"error\": {\"class\": \"GenericError\", \"desc\": \"Invalid JSON syntax\"}}\n",
                              "{\"return\": {}, \"id\": 1\n",
                              std::string("{\"return\":\0{}}\n", 15),
                              std::string(Qmp::kMaxLine + 1, ' ')};
  for (const std::string& row : rows) {
    CAPTURE(row.substr(0, 80));
    House house;
    auto call = house.loop.start(house.qmp.execute("cont"));
    house.loop.settle();
    house.qemu.send(row);
    house.loop.settle();
    REQUIRE(call.done());
    CHECK(call.value().error().code() == Errc::malformed);
    CHECK(house.qmp.broken());
  }
}

TEST_CASE("qmp: a long line is taken while it is within the limit") {
  House house;
  auto call = house.loop.start(house.qmp.execute("query-qmp-schema"));
  house.loop.settle();
  const std::string text(Qmp::kMaxLine / 2, 'x');
  house.answer(1, text);
  REQUIRE(call.done());
  CHECK(*call.value() == text);
}

TEST_CASE("qmp: a command without an answer is given up; an answer that comes after all disturbs nobody") {
  House house;
  auto call = house.loop.start(house.qmp.execute("query-status"));
  house.loop.settle();
  house.clock.advance(Qmp::kAnswerLimit);
  house.loop.settle();
  REQUIRE(call.done());
  CHECK(call.value().error().code() == Errc::timed_out);

  house.answer(1, json::object());
  CHECK_FALSE(house.qmp.broken());
  auto next = house.loop.start(house.qmp.execute("cont"));
  house.loop.settle();
  house.answer(2, json::object());
  REQUIRE(next.done());
  CHECK(next.value());
}

TEST_CASE("qmp: commands of two tasks are whole lines, however little QEMU takes at a time") {
  House house;
  house.qemu.accept_only(3);
  auto one = house.loop.start(house.qmp.execute("query-status"));
  auto two = house.loop.start(house.qmp.execute("query-migrate"));
  house.loop.settle();
  CHECK(house.qemu.received().size() == 3);
  for (int i = 0; i < 200; ++i) {
    house.qemu.accept_only(1);
    house.loop.settle();
  }
  const auto sent = house.sent();
  REQUIRE(sent.size() == 2);
  CHECK(sent[0]["execute"] == "query-status");
  CHECK(sent[1]["execute"] == "query-migrate");
}

TEST_CASE("qmp: a command that was cut short leaves no connection to be used") {
  House house;
  house.qemu.accept_only(3);
  io::TaskGroup callers(house.loop.executor());
  struct Caller {
    static io::Task<> run(Qmp& qmp) { discard(co_await qmp.execute("query-status"), "it is cancelled"); }
  };
  callers.spawn("cut short", Caller::run(house.qmp));
  auto waiting = house.loop.start(house.qmp.execute("cont"));
  house.loop.settle();
  callers.cancel();
  house.loop.run(callers.join());
  house.loop.settle();
  CHECK(house.qmp.broken());
  REQUIRE(waiting.done());
  CHECK(waiting.value().error().code() == Errc::disconnected);
}

/// A monitor in the kernel: descriptors cannot be passed through fakes.
struct KernelHouse {
  Loop loop;
  ManualClock clock;
  io::Fd qemu;
  io::Fd ours;  // a second descriptor of the client's end
  std::unique_ptr<Qmp> qmp;

  KernelHouse() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    qemu = io::Fd(ends[0]);
    ours = io::Fd(::dup(ends[1]));
    qmp = std::make_unique<Qmp>(loop.engine(), clock, loop.engine().adopt(io::Fd(ends[1])));
  }
  ~KernelHouse() { loop.run(qmp->stop()); }

  /// What has come, and the descriptor that came with it.
  std::pair<std::string, io::Fd> receive() {
    std::string text(4096, '\0');
    iovec data{text.data(), text.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int) * 4)];
    msghdr message{};
    message.msg_iov = &data;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    const ssize_t n = ::recvmsg(qemu.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    REQUIRE(n > 0);
    text.resize(static_cast<size_t>(n));
    const cmsghdr* part = CMSG_FIRSTHDR(&message);
    if (part == nullptr) return {text, io::Fd()};
    CHECK(part->cmsg_len == CMSG_LEN(sizeof(int)));
    int fd = -1;
    std::memcpy(&fd, CMSG_DATA(part), sizeof fd);
    return {text, io::Fd(fd)};
  }
};

ino_t inode_of(int fd) {
  struct stat info {};
  REQUIRE(::fstat(fd, &info) == 0);
  return info.st_ino;
}

TEST_CASE("qmp: a descriptor goes with the command that names it, and is QEMU's alone then") {
  KernelHouse house;
  auto pipe = io::make_pipe();
  REQUIRE(pipe);
  const ino_t inode = inode_of(pipe->read.get());
  auto given = house.loop.start(house.qmp->give("transport", std::move(pipe->write)));
  house.loop.settle();
  auto [line, fd] = house.receive();
  const json command = json::parse(line);
  CHECK(command["execute"] == "getfd");
  CHECK(command["arguments"]["fdname"] == "transport");
  REQUIRE(fd);
  CHECK(inode_of(fd.get()) == inode);

  const std::string answer = "{\"return\": {}, \"id\": 1}\n";
  REQUIRE(::write(house.qemu.get(), answer.data(), answer.size()) == static_cast<ssize_t>(answer.size()));
  house.loop.run_until([&] { return given.done(); });
  CHECK(given.value());
  fd.reset();
  char byte = 0;
  CHECK(::read(pipe->read.get(), &byte, 1) == 0);  // nobody else has the other end
}

TEST_CASE("qmp: a descriptor waits until QEMU takes bytes again") {
  KernelHouse house;
  size_t filled = 0;
  const std::string filling(4096, ' ');
  for (ssize_t n = 0; (n = ::send(house.ours.get(), filling.data(), filling.size(), MSG_DONTWAIT)) > 0;) {
    filled += static_cast<size_t>(n);
  }
  auto pipe = io::make_pipe();
  REQUIRE(pipe);
  auto given = house.loop.start(house.qmp->give("transport", std::move(pipe->write)));
  house.loop.settle();
  CHECK_FALSE(given.done());

  std::string line;
  io::Fd fd;
  auto next = [&] {
    auto [text, with] = house.receive();
    const size_t ours = std::min(filled, text.size());
    filled -= ours;
    line += text.substr(ours);
    if (with) fd = std::move(with);
  };
  while (filled > 0) next();
  auto readable = [&] {
    char byte = 0;
    return ::recv(house.qemu.get(), &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 1;
  };
  while (!line.ends_with('\n')) {
    house.loop.run_until(readable);
    next();
  }
  CHECK(json::parse(line)["execute"] == "getfd");
  CHECK(fd);
}

TEST_CASE("qmp: a descriptor that cannot be given any more is closed") {
  KernelHouse house;
  house.qemu.reset();
  auto pipe = io::make_pipe();
  REQUIRE(pipe);
  const auto given = house.loop.run(house.qmp->give("transport", std::move(pipe->write)));
  CHECK(given.error().code() == Errc::disconnected);
  char byte = 0;
  CHECK(::read(pipe->read.get(), &byte, 1) == 0);
}

}  // namespace
}  // namespace gcs::testing
