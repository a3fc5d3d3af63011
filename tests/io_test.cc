// The I/O suite. Every case runs on both engines; where a machine has no io_uring the ring's half fails to construct
// and says so: it is not skipped silently.

#include <doctest/doctest.h>
#include <poll.h>
#include <pty.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <thread>

#include "stdio/io/deadline.h"
#include "stdio/io/dialer.h"
#include "stdio/io/ring.h"
#include "tests/support/loop.h"

namespace gcs::testing {
using namespace gcs::io;

namespace {

struct Pair {
  std::unique_ptr<Stream> ours;
  std::unique_ptr<Stream> theirs;
};

std::array<Fd, 2> raw_pair() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  return {Fd(ends[0]), Fd(ends[1])};
}

Pair socket_pair(Loop& loop) {
  auto ends = raw_pair();
  return {loop.engine().adopt(std::move(ends[0])), loop.engine().adopt(std::move(ends[1]))};
}

Pair pipe_pair(Loop& loop) {
  auto ends = make_pipe();
  REQUIRE(ends);
  return {loop.engine().adopt(std::move(ends->read)), loop.engine().adopt(std::move(ends->write))};
}

std::string text(MutableBytes bytes, size_t size) {
  return std::string(reinterpret_cast<const char*>(bytes.data()), size);
}

/// Reads to the end of the stream, at most `chunk` bytes at a time.
Task<std::string> read_all(Stream& stream, size_t chunk) {
  std::string all;
  std::vector<std::byte> buffer(chunk);
  for (;;) {
    const auto n = co_await stream.read_some(buffer);
    if (!n || *n == 0) co_return all;
    all += text(buffer, *n);
  }
}

Task<> write_then_shut(Stream& stream, const std::string& what) {
  const auto written = co_await write_all(stream, as_bytes(what));
  CHECK(written);
  stream.shut_write();
}

Task<Errc> failing_read(Stream& stream) {
  std::array<std::byte, 16> buffer;
  const auto n = co_await stream.read_some(buffer);
  co_return n ? Errc::internal : n.error().code();
}

Task<> poll_for_nothing(Loop& loop, int fd) {
  discard(co_await loop.engine().poll(fd, POLLIN), "it is cancelled");
}

std::string pattern(size_t size) {
  std::string made(size, '\0');
  for (size_t i = 0; i < size; ++i) made[i] = static_cast<char>('a' + (i * 7 + i / 251) % 26);
  return made;
}

#define ON_BOTH_ENGINES(name)        \
  static void name(EngineKind kind); \
  TEST_CASE("io [uring]: " #name) {  \
    name(EngineKind::uring);         \
  }                                  \
  TEST_CASE("io [epoll]: " #name) {  \
    name(EngineKind::epoll);         \
  }                                  \
  static void name(EngineKind kind)

}  // namespace

ON_BOTH_ENGINES(bytes_arrive_whole_and_in_order_through_small_reads) {
  Loop loop(kind);
  const Pair pair = socket_pair(loop);
  const std::string sent = pattern(1 << 20);
  auto writing = loop.start(write_then_shut(*pair.ours, sent));
  CHECK(loop.run(read_all(*pair.theirs, 1000)) == sent);
  loop.run_until([&] { return writing.done(); });
}

ON_BOTH_ENGINES(a_full_pipe_holds_the_writer_until_the_reader_makes_room) {
  Loop loop(kind);
  const Pair pair = pipe_pair(loop);
  const std::string sent = pattern(300'000);
  auto writing = loop.start(write_all(*pair.theirs, as_bytes(sent)));
  loop.settle();
  CHECK_FALSE(writing.done());
  std::vector<std::byte> got(sent.size());
  const auto n = loop.run(read_full(*pair.ours, got));
  REQUIRE(n);
  CHECK(text(got, *n) == sent);
  loop.run_until([&] { return writing.done(); });
  CHECK(writing.value());
}

ON_BOTH_ENGINES(half_close_ends_one_direction_only) {
  Loop loop(kind);
  const Pair pair = socket_pair(loop);
  loop.run(write_then_shut(*pair.ours, "to"));
  CHECK(loop.run(read_all(*pair.theirs, 64)) == "to");
  loop.run(write_then_shut(*pair.theirs, "back"));
  CHECK(loop.run(read_all(*pair.ours, 64)) == "back");
}

ON_BOTH_ENGINES(a_read_that_is_cancelled_ends_and_leaves_the_stream_usable) {
  Loop loop(kind);
  const Pair pair = socket_pair(loop);
  {
    TaskGroup group(loop.executor());
    auto read_for_ever = [](Stream& stream) -> Task<> {
      std::array<std::byte, 64> buffer;
      for (;;) discard(co_await stream.read_some(buffer), "cancelled below");
    };
    group.spawn("reader", read_for_ever(*pair.ours));
    loop.settle();
    group.cancel();
    loop.run(group.join());
  }
  loop.run(write_then_shut(*pair.theirs, "later"));
  CHECK(loop.run(read_all(*pair.ours, 64)) == "later");
}

ON_BOTH_ENGINES(a_write_with_its_buffer_in_flight_is_cancelled_and_waited_for) {
  Loop loop(kind);
  const Pair pair = socket_pair(loop);
  TaskGroup group(loop.executor());
  // The buffer lives on the task's frame: AddressSanitizer reports the kernel's late use of it as little as our own,
  // but a completion that arrives after the frame is gone would resume freed memory.
  auto write_for_ever = [](Stream& stream) -> Task<> {
    std::array<std::byte, 65536> buffer{};
    for (;;) discard(co_await stream.write_some(buffer), "cancelled below");
  };
  group.spawn("writer", write_for_ever(*pair.ours));
  loop.settle();
  CHECK(group.size() == 1);
  group.cancel();
  loop.run(group.join());
  CHECK(group.size() == 0);
}

ON_BOTH_ENGINES(a_peer_that_dies_ends_a_pending_read) {
  Loop loop(kind);
  Pair pair = socket_pair(loop);
  std::array<std::byte, 16> buffer;
  auto reading = loop.start(pair.ours->read_some(buffer));
  loop.settle();
  CHECK_FALSE(reading.done());
  pair.theirs.reset();
  loop.run_until([&] { return reading.done(); });
  REQUIRE(reading.value());
  CHECK(*reading.value() == 0);
}

ON_BOTH_ENGINES(a_peer_that_dies_ends_a_pending_write_as_disconnected) {
  Loop loop(kind);
  Pair pair = socket_pair(loop);
  const std::string sent = pattern(4 << 20);
  auto writing = loop.start(write_all(*pair.ours, as_bytes(sent)));
  loop.settle();
  CHECK_FALSE(writing.done());
  pair.theirs.reset();
  loop.run_until([&] { return writing.done(); });
  REQUIRE_FALSE(writing.value());
  CHECK(writing.value().error().code() == Errc::disconnected);
}

ON_BOTH_ENGINES(a_peer_that_dies_with_unread_bytes_resets_the_connection) {
  Loop loop(kind);
  Pair pair = socket_pair(loop);
  CHECK(loop.run(write_all(*pair.ours, as_bytes("unread"))));
  pair.theirs.reset();
  CHECK(loop.run(failing_read(*pair.ours)) == Errc::disconnected);
}

ON_BOTH_ENGINES(a_peer_that_has_closed_is_known_at_once_whatever_is_still_to_be_read) {
  Loop loop(kind);
  Pair pair = socket_pair(loop);
  CHECK_FALSE(pair.ours->hung_up());
  CHECK(loop.run(write_all(*pair.theirs, as_bytes("still to be read"))));
  pair.theirs->shut_write();
  CHECK_FALSE(pair.ours->hung_up());
  pair.theirs.reset();
  CHECK(pair.ours->hung_up());
}

ON_BOTH_ENGINES(a_full_connection_has_not_hung_up) {
  Loop loop(kind);
  const Pair pair = socket_pair(loop);
  const std::string sent = pattern(4 << 20);
  auto writing = loop.start(write_all(*pair.ours, as_bytes(sent)));
  loop.settle();
  CHECK_FALSE(pair.ours->hung_up());
  pair.ours->shut_down();
  loop.run_until([&] { return writing.done(); });
}

ON_BOTH_ENGINES(shut_down_ends_a_pending_read_of_our_own) {
  Loop loop(kind);
  const Pair pair = socket_pair(loop);
  std::array<std::byte, 16> buffer;
  auto reading = loop.start(pair.ours->read_some(buffer));
  loop.settle();
  pair.ours->shut_down();
  loop.run_until([&] { return reading.done(); });
  REQUIRE(reading.value());
  CHECK(*reading.value() == 0);
}

Task<> be_busy_until(Loop& loop, Stream& event, Clock::TimePoint due) {
  discard(co_await event.wait_readable(), "only that it woke the loop");
  co_await next_turn(loop.executor());
  while (loop.clock().now() <= due) continue;
}

ON_BOTH_ENGINES(an_alarm_that_comes_due_while_others_run_is_rung) {
  Loop loop(kind);
  const Pair pair = pipe_pair(loop);
  bool rung = false;
  const auto due = loop.clock().now() + std::chrono::milliseconds(5);
  const Alarm alarm = loop.clock().at(due, [&rung] { rung = true; });
  auto busy = loop.start(be_busy_until(loop, *pair.ours, due));
  REQUIRE(::write(pair.theirs->native_handle(), "x", 1) == 1);
  loop.run_until([&rung] { return rung; });
  loop.run_until([&busy] { return busy.done(); });
}

Task<> replace_and_wait(Loop& loop, Pair& first, Pair& gone, Pair& next, bool& woken) {
  discard(co_await first.ours->wait_readable(), "the case is about the next wait");
  gone.ours.reset();
  next = pipe_pair(loop);
  discard(co_await next.ours->wait_readable(), "that it returns is what is seen");
  woken = true;
}

ON_BOTH_ENGINES(a_wait_is_not_ended_by_an_event_of_a_descriptor_that_is_gone) {
  Loop loop(kind);
  Pair first = pipe_pair(loop);
  Pair gone = pipe_pair(loop);
  Pair next;
  bool woken = false;
  auto waiting = loop.start(replace_and_wait(loop, first, gone, next, woken));
  loop.settle();
  // Both events are fetched in one turn.
  REQUIRE(::write(first.theirs->native_handle(), "x", 1) == 1);
  REQUIRE(::write(gone.theirs->native_handle(), "x", 1) == 1);
  loop.settle();
  CHECK_FALSE(woken);
  CHECK(loop.run(write_all(*next.theirs, as_bytes("x"))));
  loop.run_until([&] { return waiting.done(); });
}

ON_BOTH_ENGINES(waiting_for_readability_takes_no_byte) {
  Loop loop(kind);
  const Pair pair = pipe_pair(loop);
  auto waiting = loop.start(pair.ours->wait_readable());
  loop.settle();
  CHECK_FALSE(waiting.done());
  CHECK(loop.run(write_all(*pair.theirs, as_bytes("x"))));
  loop.run_until([&] { return waiting.done(); });
  CHECK(waiting.value());
  std::array<std::byte, 4> buffer;
  const auto n = loop.run(pair.ours->read_some(buffer));
  REQUIRE(n);
  CHECK(text(buffer, *n) == "x");
}

ON_BOTH_ENGINES(a_pty_whose_slaves_are_closed_reads_as_the_end) {
  Loop loop(kind);
  int master = -1;
  int slave = -1;
  REQUIRE(::openpty(&master, &slave, nullptr, nullptr, nullptr) == 0);
  const auto stream = loop.engine().adopt(Fd(master));
  {
    const Fd held(slave);
    REQUIRE(::write(slave, "hi", 2) == 2);
  }
  CHECK(loop.run(read_all(*stream, 64)) == "hi");
}

ON_BOTH_ENGINES(connecting_to_a_socket_that_nobody_listens_on_is_disconnected) {
  Loop loop(kind);
  const std::string path = "/tmp/gcs-io-test-" + std::to_string(::getpid());
  const auto dialer = make_unix_dialer(loop.engine(), path);
  const auto stream = loop.run(dialer->dial(7));
  REQUIRE_FALSE(stream);
}

ON_BOTH_ENGINES(a_dial_reaches_the_listener_of_its_port) {
  Loop loop(kind);
  const std::string path = "/tmp/gcs-io-test-" + std::to_string(::getpid());
  auto listener = make_unix_listener(loop.engine(), path, 7);
  REQUIRE(listener);
  auto accepting = loop.start((*listener)->accept());
  const auto dialer = make_unix_dialer(loop.engine(), path);
  auto ours = loop.run(dialer->dial(7));
  REQUIRE(ours);
  loop.run_until([&] { return accepting.done(); });
  REQUIRE(accepting.value());
  loop.run(write_then_shut(**ours, "hello"));
  CHECK(loop.run(read_all(**accepting.value(), 64)) == "hello");
}

ON_BOTH_ENGINES(more_operations_than_the_ring_has_entries_all_complete) {
  Loop loop(kind);
  constexpr size_t kStreams = 1000;
  std::vector<Pair> pairs;
  std::vector<Running<Errc>> reads;
  for (size_t i = 0; i < kStreams; ++i) pairs.push_back(socket_pair(loop));
  for (const Pair& pair : pairs) reads.push_back(loop.start(failing_read(*pair.ours)));
  loop.settle();
  for (const Pair& pair : pairs) REQUIRE(::write(pair.theirs->native_handle(), "x", 1) == 1);
  loop.run_until([&] {
    for (const auto& read : reads) {
      if (!read.done()) return false;
    }
    return true;
  });
}

ON_BOTH_ENGINES(ten_thousand_idle_streams_are_held_and_cancelled) {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  REQUIRE_MESSAGE(limit.rlim_cur > 10'100, "RLIMIT_NOFILE is too low for this case");
  {
    // An eventfd is a stream of one descriptor, so that ten thousand fit below a common hard limit.
    Loop loop(kind);
    std::vector<std::unique_ptr<Stream>> streams;
    TaskGroup group(loop.executor());
    auto idle = [](Stream& stream) -> Task<> {
      discard(co_await stream.wait_readable(), "cancelled below");
      std::array<std::byte, 8> count;
      discard(co_await stream.read_some(count), "the count itself does not matter");
    };
    for (int i = 0; i < 10'000; ++i) {
      streams.push_back(loop.engine().adopt(Fd(::eventfd(0, EFD_CLOEXEC))));
      group.spawn("idle", idle(*streams.back()));
    }
    loop.settle();
    CHECK(group.size() == 10'000);
    const uint64_t one = 1;
    REQUIRE(::write(streams[5000]->native_handle(), &one, sizeof one) == sizeof one);
    loop.run_until([&] { return group.size() == 9'999; });
    group.cancel();
    loop.run(group.join());
  }
  limit.rlim_cur = before;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

ON_BOTH_ENGINES(a_deadline_cancels_what_it_bounds) {
  Loop loop(kind);
  const Pair pair = socket_pair(loop);
  std::array<std::byte, 16> buffer;
  const auto deadline = loop.clock().now() + std::chrono::milliseconds(20);
  const auto n =
      loop.run(with_deadline<size_t>(loop.executor(), loop.clock(), deadline, "read", pair.ours->read_some(buffer)));
  REQUIRE_FALSE(n);
  CHECK(n.error().code() == Errc::timed_out);
}

ON_BOTH_ENGINES(an_alarm_rings_beside_streams_that_are_always_ready) {
  Loop loop(kind);
  TaskGroup group(loop.executor());
  auto bounce = [](Stream& stream) -> Task<> {
    std::array<std::byte, 1> byte{};
    for (;;) {
      if (!co_await stream.write_some(byte)) co_return;
      if (!co_await stream.read_some(byte)) co_return;
    }
  };
  const Pair pair = socket_pair(loop);
  group.spawn("there", bounce(*pair.ours));
  group.spawn("back", bounce(*pair.theirs));
  bool rung = false;
  const Alarm alarm = loop.clock().at(loop.clock().now() + std::chrono::milliseconds(1), [&rung] { rung = true; });
  loop.run_until([&rung] { return rung; });
  group.cancel();
  loop.run(group.join());
}

TEST_CASE("io: the ring engine is there and is the automatic choice on this machine") {
  Loop ring(EngineKind::uring);
  CHECK(std::string(ring.engine().name()) == "io_uring");
}

TEST_CASE(
    "io [uring]: entries that the kernel refuses are held back until it takes them, and can be cancelled before") {
  Loop loop(EngineKind::uring);
  const Fd never_yet(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  constexpr int kMoreThanTheQueueHolds = 400;
  std::vector<Running<Result<short>>> kept;
  TaskGroup dropped(loop.executor());
  // The kernel takes entries from the ring's own thread alone.
  std::thread([&] {
    for (int i = 0; i < kMoreThanTheQueueHolds; ++i) {
      kept.push_back(loop.start(loop.engine().poll(never_yet.get(), POLLIN)));
    }
    loop.settle();
    for (int i = 0; i < 3; ++i) dropped.spawn("dropped", poll_for_nothing(loop, never_yet.get()));
    loop.settle();
    dropped.cancel();
    loop.settle();
  }).join();
  CHECK(dropped.size() == 0);
  CHECK(std::none_of(kept.begin(), kept.end(), [](auto& poll) { return poll.done(); }));
  REQUIRE(::eventfd_write(never_yet.get(), 1) == 0);
  loop.run_until([&] { return std::all_of(kept.begin(), kept.end(), [](auto& poll) { return poll.done(); }); });
  for (auto& poll : kept) CHECK(*poll.value() == POLLIN);
}

}  // namespace gcs::testing
