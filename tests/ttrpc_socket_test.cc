// Client and server of ttrpc over Unix sockets, on both engines: many calls, and clients that vanish or do not read.

#include <doctest/doctest.h>

#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"
#include "tests/ttrpc/client.h"
#include "tests/ttrpc/server.h"

namespace gcs::ttrpc {
namespace {

using test::TempDir;
using testing::Loop;
using testing::Running;

constexpr io::Port kPort = 1;

/// A call to Count(100000000).
const std::string kEndless = encode_frame(FrameType::request, 1, kRemoteClosed, "\n\4Test\x12\5Count\x1a\t100000000");

struct Bench {
  explicit Bench(io::EngineKind kind) : loop(kind), path(directory / "ttrpc") {
    services.add("Test", "Echo", UnaryHandler([](const CallInfo&, std::string text) { return echo(std::move(text)); }));
    services.add("Test", "Wait", UnaryHandler([this](const CallInfo&, std::string text) { return wait(text); }));
    services.add("Test", "Count", StreamHandler([](const CallInfo&, std::string count, MessageSink& sink) {
                   return Bench::count(std::stoul(count), sink);
                 }));
    auto listener = io::make_unix_listener(loop.engine(), path, kPort);
    REQUIRE(listener);
    server.listen(std::move(*listener));
  }
  ~Bench() { loop.run(server.stop()); }

  std::unique_ptr<io::Stream> dial() {
    auto dialer = io::make_unix_dialer(loop.engine(), path);
    auto stream = loop.run(dialer->dial(kPort));
    REQUIRE(stream);
    return std::move(*stream);
  }

  static io::Task<Answer<std::string>> echo(std::string text) { co_return text; }
  io::Task<Answer<std::string>> wait(std::string text) {
    struct Counted {
      explicit Counted(int& of) : count(of) { ++count; }
      ~Counted() { --count; }
      int& count;
    };
    const Counted counted(waiting);
    auto open = [this] { return released; };
    co_await gate.wait(open);
    co_return text;
  }
  static io::Task<Status> count(size_t count, MessageSink& sink) {
    for (size_t i = 0; i < count; ++i) {
      const auto sent = co_await sink.send(std::to_string(i));
      if (!sent) co_return sent.error();
    }
    co_return Status();
  }

  TempDir directory;
  Loop loop;
  std::string path;
  io::Condition gate{loop.executor(), "test gate"};
  bool released = false;
  int waiting = 0;
  Services services;
  Server server{loop.executor(), loop.clock(), services};
};

/// A client that is stopped before its bench.
struct Dialled {
  explicit Dialled(Bench& of) : bench(of), client(of.loop.executor(), of.loop.clock(), of.dial()) {}
  ~Dialled() { bench.loop.run(client.stop()); }
  Bench& bench;
  Client client;
};

io::Task<Status> read_count(Client& client, size_t count) {
  auto opened = co_await client.open("Test", "Count", std::to_string(count));
  if (!opened) co_return opened.status();
  for (size_t due = 0; due <= count; ++due) {
    const auto message = co_await opened->next();
    if (!message) co_return message.status();
    const std::string text = *message ? **message : "end";
    if (text != (due == count ? "end" : std::to_string(due))) co_return Status(Code::data_loss, text);
  }
  co_return Status();
}

io::Task<Status> echo_often(Client& client, std::string text, int times) {
  for (int i = 0; i < times; ++i) {
    const auto answer = co_await client.call("Test", "Echo", text);
    if (!answer) co_return answer.status();
    if (*answer != text) co_return Status(Code::data_loss, *answer);
  }
  co_return Status();
}

#define ON_BOTH_ENGINES(name)                  \
  static void name(Bench& bench);              \
  TEST_CASE("ttrpc sockets [uring]: " #name) { \
    Bench bench(io::EngineKind::uring);        \
    name(bench);                               \
  }                                            \
  TEST_CASE("ttrpc sockets [epoll]: " #name) { \
    Bench bench(io::EngineKind::epoll);        \
    name(bench);                               \
  }                                            \
  static void name(Bench& bench)

ON_BOTH_ENGINES(many_calls_and_streams_at_a_time_each_get_their_own_answers) {
  Dialled dialled(bench);
  std::vector<Running<Status>> running;
  for (int i = 0; i < 200; ++i) {
    running.push_back(bench.loop.start(read_count(dialled.client, 50 + static_cast<size_t>(i))));
    running.push_back(
        bench.loop.start(echo_often(dialled.client, std::string(1000, static_cast<char>('a' + i % 26)), 5)));
  }
  for (auto& one : running) {
    bench.loop.run_until([&] { return one.done(); });
    CHECK(one.value() == Status());
  }
}

ON_BOTH_ENGINES(several_clients_are_served_at_a_time) {
  std::vector<std::unique_ptr<Dialled>> clients;
  std::vector<Running<Status>> running;
  for (int i = 0; i < 20; ++i) clients.push_back(std::make_unique<Dialled>(bench));
  for (auto& one : clients) running.push_back(bench.loop.start(echo_often(one->client, "hello", 20)));
  for (auto& one : running) {
    bench.loop.run_until([&] { return one.done(); });
    CHECK(one.value() == Status());
  }
}

ON_BOTH_ENGINES(messages_of_nearly_4_MiB_go_both_ways) {
  Dialled dialled(bench);
  CHECK(bench.loop.run(echo_often(dialled.client, std::string(kMaxPayload - 100, 'x'), 3)) == Status());
}

ON_BOTH_ENGINES(a_client_that_vanishes_ends_its_own_calls_only) {
  Dialled other(bench);
  auto kept = bench.loop.start(other.client.call("Test", "Wait", "kept"));
  {
    Dialled vanishing(bench);
    auto lost = bench.loop.start(vanishing.client.call("Test", "Wait", "lost"));
    auto streaming = bench.dial();  // and goes in the middle of a stream that it does not read
    CHECK(bench.loop.run(io::write_all(*streaming, io::as_bytes(kEndless))));
    bench.loop.run_until([&] { return bench.waiting == 2 && bench.server.connections() == 3; });
    bench.loop.run(vanishing.client.stop());
    CHECK(lost.value().status().code == Code::unavailable);
  }
  bench.loop.run_until([&] { return bench.waiting == 1 && bench.server.connections() == 1; });
  bench.released = true;
  bench.gate.notify_all();
  bench.loop.run_until([&] { return kept.done(); });
  CHECK(*kept.value() == "kept");
}

ON_BOTH_ENGINES(a_client_that_does_not_read_holds_up_nobody) {
  auto silent = bench.dial();
  CHECK(bench.loop.run(io::write_all(*silent, io::as_bytes(kEndless))));
  Dialled other(bench);
  CHECK(bench.loop.run(echo_often(other.client, "hello", 200)) == Status());
  CHECK(bench.server.connections() == 2);
}

ON_BOTH_ENGINES(a_server_that_stops_ends_the_calls_of_its_clients) {
  Dialled dialled(bench);
  auto running = bench.loop.start(dialled.client.call("Test", "Wait", ""));
  bench.loop.run_until([&] { return bench.waiting == 1; });
  bench.loop.run(bench.server.stop());
  bench.loop.run_until([&] { return running.done(); });
  CHECK(running.value().status().code == Code::unavailable);
  CHECK(bench.waiting == 0);
}

}  // namespace
}  // namespace gcs::ttrpc
