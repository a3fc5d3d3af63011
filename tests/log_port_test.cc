// The log port over Unix sockets, against hosts that vanish, come late, or never read.

#include "gcs/log_port.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <array>
#include <vector>

#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace gcs::io;
using namespace std::chrono_literals;

constexpr Port kPort = 109;

std::string dropped_line(uint64_t count) {
  return "dropped " + std::to_string(count) + "\n";
}

std::string numbered_line(int number, size_t filler = 80) {
  return "line " + std::to_string(number) + " " + std::string(filler, 'x') + " end\n";
}

/// An agent's log port, and the host that it dials.
struct House {
  test::TempDir dir;
  Loop loop;
  std::unique_ptr<Dialer> dialer = make_unix_dialer(loop.engine(), dir / "vm");
  log::LineQueue lines{dropped_line};
  LogPort port{loop.executor(), *dialer, loop.clock()};
  std::unique_ptr<Listener> listener;

  explicit House(EngineKind kind) : loop(kind) {}
  ~House() { loop.run(port.stop()); }

  void listen() {
    auto made = make_unix_listener(loop.engine(), dir / "vm", kPort);
    REQUIRE(made);
    listener = std::move(*made);
  }

  std::unique_ptr<Stream> accept() {
    auto conn = loop.run(listener->accept());
    REQUIRE(conn);
    return std::move(*conn);
  }

  void write(const std::string& line) {
    lines.push(line);
    lines.wake().signal();
  }

  std::string read(Stream& conn, size_t bytes) {
    std::vector<std::byte> buffer(bytes);
    const auto n = loop.run(read_full(conn, buffer));
    REQUIRE(n);
    return std::string(reinterpret_cast<const char*>(buffer.data()), *n);
  }

  /// Reads up to the end of the line numbered `last`.
  std::string read_through(Stream& conn, int last) {
    const std::string end = numbered_line(last);
    std::string all;
    while (!all.ends_with(end)) {
      std::array<std::byte, 4096> buffer;
      const auto n = loop.run(conn.read_some(buffer));
      REQUIRE(n);
      REQUIRE(*n > 0);
      all.append(reinterpret_cast<const char*>(buffer.data()), *n);
    }
    return all;
  }
};

#define ON_BOTH_ENGINES(name)             \
  static void name(EngineKind kind);      \
  TEST_CASE("log port [uring]: " #name) { \
    name(EngineKind::uring);              \
  }                                       \
  TEST_CASE("log port [epoll]: " #name) { \
    name(EngineKind::epoll);              \
  }                                       \
  static void name(EngineKind kind)

}  // namespace

ON_BOTH_ENGINES(lines_from_before_the_first_connection_come_first) {
  House house(kind);
  house.write("early\n");
  house.port.start(kPort, house.lines);
  house.loop.settle();
  house.listen();
  const auto host = house.accept();
  CHECK(house.read(*host, 6) == "early\n");
  house.write("late\n");
  CHECK(house.read(*host, 5) == "late\n");
}

ON_BOTH_ENGINES(a_line_cut_by_an_outage_is_sent_whole_on_the_next_connection) {
  House house(kind);
  house.listen();
  house.port.start(kPort, house.lines);
  auto host = house.accept();
  // More than the connection holds unread, so that it breaks within a line; not more than the queue keeps.
  constexpr size_t kFiller = 50'000;
  for (int i = 0; i < 5; ++i) house.write(numbered_line(i, kFiller));
  const std::string first = house.read(*host, 1000);
  CHECK(first == numbered_line(0, kFiller).substr(0, first.size()));
  // Still to be read is what the connection has taken by now; the cut falls there.
  house.loop.settle();
  std::string rest(1 << 20, '\0');
  const ssize_t unread = ::recv(host->native_handle(), rest.data(), rest.size(), MSG_PEEK | MSG_DONTWAIT);
  REQUIRE(unread > 0);
  const size_t taken = first.size() + static_cast<size_t>(unread);
  const size_t length = numbered_line(0, kFiller).size();
  REQUIRE(taken % length != 0);
  host.reset();
  host = house.accept();
  const std::string again = numbered_line(static_cast<int>(taken / length), kFiller);
  CHECK(house.read(*host, again.size()) == again);
}

ON_BOTH_ENGINES(a_listener_that_is_away_for_long_costs_the_oldest_lines_and_says_how_many) {
  House house(kind);
  house.listen();
  house.port.start(kPort, house.lines);
  house.accept().reset();
  house.listener.reset();
  constexpr int kLines = 20'000;
  int next = 0;
  for (; next < kLines; ++next) {
    house.write(numbered_line(next));
    if (next % 1000 == 0) house.loop.settle();
  }
  house.listen();
  const auto host = house.accept();
  const std::string text = house.read_through(*host, kLines - 1);
  int expected = 0;
  int gaps = 0;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at) + 1;
    const std::string line = text.substr(at, end - at);
    at = end;
    if (line.starts_with("dropped ")) {
      expected += std::stoi(line.substr(8));
      ++gaps;
    } else {
      REQUIRE(line == numbered_line(expected));
      ++expected;
    }
  }
  CHECK(expected == kLines);
  CHECK(gaps == 1);
}

ON_BOTH_ENGINES(a_host_that_never_reads_holds_up_nobody) {
  House house(kind);
  house.listen();
  house.port.start(kPort, house.lines);
  const auto host = house.accept();
  for (int i = 0; i < 20'000; ++i) {
    house.write(numbered_line(i));
    if (i % 100 == 0) house.loop.settle();
  }
  CHECK_FALSE(house.lines.empty());
  // And the end waits for such a host a short time only: bounded by the test's own limit.
  house.loop.run(house.port.stop());
  house.loop.settle();
  CHECK(live_tasks().empty());
}

ON_BOTH_ENGINES(a_loss_is_noticed_with_nothing_to_send) {
  House house(kind);
  house.listen();
  house.port.start(kPort, house.lines);
  house.accept().reset();
  const auto host = house.accept();
  house.write("after\n");
  CHECK(house.read(*host, 6) == "after\n");
}

ON_BOTH_ENGINES(a_host_that_shuts_its_writing_side_still_gets_the_lines) {
  House house(kind);
  house.listen();
  house.port.start(kPort, house.lines);
  auto host = house.accept();
  host->shut_write();
  house.loop.settle();
  house.write("one\n");
  CHECK(house.read(*host, 4) == "one\n");
  host.reset();
  house.write("two\n");
  host = house.accept();
  CHECK(house.read(*host, 4) == "two\n");
}

ON_BOTH_ENGINES(at_the_end_a_connected_host_gets_what_is_left) {
  House house(kind);
  house.listen();
  house.port.start(kPort, house.lines);
  const auto host = house.accept();
  house.loop.settle();
  house.write("last words\n");
  house.loop.run(house.port.stop());
  CHECK(house.read(*host, 64) == "last words\n");  // and the end of the stream
}

ON_BOTH_ENGINES(a_stop_while_there_is_no_host_waits_for_none) {
  House house(kind);
  house.port.start(kPort, house.lines);
  house.write("unread\n");
  house.loop.settle();
  house.loop.run(house.port.stop());
  CHECK_FALSE(house.lines.empty());
}

}  // namespace gcs::testing
