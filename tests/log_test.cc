// The log's ring, and the descriptors that it never waits for.

#include "stdio/io/log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <thread>
#include <vector>

#include "stdio/io/log_output.h"
#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
using namespace gcs::io;
using namespace gcs::log;

namespace {

std::string dropped_line(uint64_t count) {
  return "dropped " + std::to_string(count) + "\n";
}

/// A line that says which one it is, and whether it is whole.
std::string numbered_line(int number, size_t filler = 80) {
  return "line " + std::to_string(number) + " " + std::string(filler, 'x') + " end\n";
}

/// What a reader finds now, without waiting.
std::string read_available(int fd) {
  std::string all;
  std::array<char, 65536> buffer;
  for (;;) {
    pollfd asked{fd, POLLIN, 0};
    if (::poll(&asked, 1, 0) <= 0 || (asked.revents & POLLIN) == 0) return all;
    const ssize_t n = ::read(fd, buffer.data(), buffer.size());
    if (n <= 0) return all;
    all.append(buffer.data(), static_cast<size_t>(n));
  }
}

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  for (size_t at = 0; at < text.size();) {
    const size_t end = text.find('\n', at);
    REQUIRE_MESSAGE(end != text.npos, "half a line at the end: " << text.substr(at));
    lines.push_back(text.substr(at, end + 1 - at));
    at = end + 1;
  }
  return lines;
}

/// The lines are numbered_line(0), ... up to `count`, but for gaps that a record before the next line counts exactly.
void check_sequence(const std::string& text, int count, size_t filler = 80) {
  int next = 0;
  int gaps = 0;
  for (const std::string& line : lines_of(text)) {
    if (line.starts_with("dropped ")) {
      next += std::stoi(line.substr(8));
      ++gaps;
    } else {
      REQUIRE(line == numbered_line(next, filler));
      ++next;
    }
  }
  CHECK(next == count);
  CHECK(gaps > 0);
}

void fill(int fd) {
  const int flags = ::fcntl(fd, F_GETFL);
  REQUIRE(::fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0);
  const std::string block(4096, '#');
  while (::write(fd, block.data(), block.size()) > 0) {
  }
  REQUIRE(::fcntl(fd, F_SETFL, flags) == 0);
}

/// The program's log goes into a pipe, as it does below vsockexec; to stderr again at the end.
struct LogPipe {
  PipeEnds ends;

  explicit LogPipe(Format format) {
    auto made = make_pipe();
    REQUIRE(made);
    ends = std::move(*made);
    configure(Level::info, format, ends.write.get());
  }
  ~LogPipe() { configure(Level::info, Format::text, STDERR_FILENO); }
};

}  // namespace

TEST_CASE("ring: lines come out in the order in which they went in") {
  LineRing ring(100);
  ring.push("one\n");
  ring.push("two\n");
  CHECK(ring.bytes() == 8);
  CHECK(ring.next_size() == 4);
  CHECK(ring.pop() == "one\n");
  CHECK(ring.pop() == "two\n");
  CHECK(ring.empty());
  CHECK(ring.pop().empty());
  CHECK(ring.dropped() == 0);
}

TEST_CASE("ring: what does not fit pushes out the oldest lines, and they are counted") {
  LineRing ring(12);
  for (const char* line : {"one\n", "two\n", "six\n"}) ring.push(line);
  CHECK(ring.dropped() == 0);
  ring.push("seven\n");
  CHECK(ring.dropped() == 2);
  CHECK(ring.bytes() == 10);
  CHECK(ring.take_dropped() == 2);
  CHECK(ring.dropped() == 0);
  CHECK(ring.pop() == "six\n");
  CHECK(ring.pop() == "seven\n");
}

TEST_CASE("ring: a line longer than the ring is dropped itself and pushes out nothing") {
  LineRing ring(8);
  ring.push("one\n");
  ring.push("far too long\n");
  CHECK(ring.dropped() == 1);
  CHECK(ring.pop() == "one\n");
}

TEST_CASE("ring: however much is written, no more text is held than the limit") {
  LineRing ring(LineQueue::kRingBytes);
  uint64_t kept = 0;
  for (int i = 0; i < 20'000; ++i) {
    ring.push(numbered_line(i));
    REQUIRE(ring.bytes() <= LineQueue::kRingBytes);
  }
  while (!ring.pop().empty()) ++kept;
  CHECK(kept + ring.dropped() == 20'000);
}

TEST_CASE("batch: for the next destination it begins with the line that the last one got a part of") {
  const std::string lines = "one\ntwo\nsix\n";
  for (size_t sent = 0; sent <= lines.size(); ++sent) {
    CAPTURE(sent);
    LineBatch batch(lines);
    batch.advance(sent);
    CHECK(batch.rest() == lines.substr(sent));
    batch.rewind();
    CHECK(batch.rest() == lines.substr(sent / 4 * 4));
    CHECK(batch.empty() == (sent == lines.size()));
  }
}

TEST_CASE("wake: a signal ends a pending wait, whatever thread it comes from") {
  for (const EngineKind kind : {EngineKind::uring, EngineKind::epoll}) {
    Wake wake;
    Loop loop(kind);
    auto waiting = loop.start(wake.wait(loop.executor(), "test"));
    loop.settle();
    CHECK_FALSE(waiting.done());
    std::thread other([&wake] { wake.signal(); });
    loop.run_until([&] { return waiting.done(); });
    other.join();
  }
}

TEST_CASE("wake: signals without a waiter end the next wait, and only that one") {
  Wake wake;
  Loop loop;
  wake.signal();
  wake.signal();
  loop.run(wake.wait(loop.executor(), "test"));
  auto waiting = loop.start(wake.wait(loop.executor(), "test"));
  loop.settle();
  CHECK_FALSE(waiting.done());
}

TEST_CASE("wake: a signal after the loop has gone reaches nobody and does no harm") {
  Wake wake;
  {
    Loop loop;
    auto waiting = loop.start(wake.wait(loop.executor(), "test"));
    loop.settle();
    CHECK_FALSE(waiting.done());
  }
  wake.signal();
  Loop next;
  next.run(wake.wait(next.executor(), "test"));
}

TEST_CASE("queue: the record of dropped lines comes before the next line, once") {
  LineQueue lines(dropped_line, 12);
  for (const char* line : {"one\n", "two\n", "six\n", "ten\n"}) lines.push(line);
  CHECK(lines.take(1) == "dropped 1\n");
  CHECK(lines.take(1) == "two\n");
  CHECK(lines.take(8) == "six\nten\n");
  CHECK(lines.empty());
  CHECK(lines.take(8).empty());
}

TEST_CASE("sink: a pipe that nobody reads never holds up its writer, and its reader finds whole lines later") {
  auto ends = make_pipe();
  REQUIRE(ends);
  LineQueue lines(dropped_line);
  FdSink sink(lines, ends->write.get());
  constexpr int kLines = 20'000;
  for (int i = 0; i < kLines; ++i) {
    lines.push(numbered_line(i));
    sink.flush();
  }
  CHECK_FALSE(lines.empty());
  std::string text;
  while (!sink.flush()) text += read_available(ends->read.get());
  text += read_available(ends->read.get());
  check_sequence(text, kLines);
}

TEST_CASE("sink: lines longer than a pipe takes at once stay whole too") {
  auto ends = make_pipe();
  REQUIRE(ends);
  LineQueue lines(dropped_line);
  FdSink sink(lines, ends->write.get());
  constexpr size_t kFiller = 30'000;
  for (int i = 0; i < 50; ++i) {
    lines.push(numbered_line(i, kFiller));
    sink.flush();
  }
  std::string text;
  while (!sink.flush()) text += read_available(ends->read.get());
  text += read_available(ends->read.get());
  check_sequence(text, 50, kFiller);
}

TEST_CASE("sink: a socket that nobody reads never holds up its writer either") {
  int fds[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0);
  const Fd ours(fds[0]);
  const Fd theirs(fds[1]);
  LineQueue lines(dropped_line);
  FdSink sink(lines, ours.get());
  for (int i = 0; i < 20'000; ++i) {
    lines.push(numbered_line(i));
    sink.flush();
  }
  std::string text;
  while (!sink.flush()) text += read_available(theirs.get());
  text += read_available(theirs.get());
  check_sequence(text, 20'000);
}

TEST_CASE("sink: the descriptor that others share stays a blocking one") {
  auto ends = make_pipe();
  REQUIRE(ends);
  LineQueue lines(dropped_line);
  const FdSink sink(lines, ends->write.get());
  CHECK((::fcntl(ends->write.get(), F_GETFL) & O_NONBLOCK) == 0);
}

TEST_CASE("sink: a pipe whose reader has gone costs its writer nothing but the lines") {
  ::signal(SIGPIPE, SIG_IGN);
  auto ends = make_pipe();
  REQUIRE(ends);
  ends->read.reset();
  LineQueue lines(dropped_line);
  FdSink sink(lines, ends->write.get());
  lines.push("one\n");
  CHECK_FALSE(sink.flush());
  Loop loop;
  loop.run(keep_flushed(sink, loop.engine()));  // returns: there is nobody to wait for
}

TEST_CASE("sink: a file gets every line at once") {
  const test::TempDir dir;
  const auto file = open_file(dir / "log", O_WRONLY | O_CREAT, 0600);
  REQUIRE(file);
  LineQueue lines(dropped_line);
  FdSink sink(lines, file->get());
  std::string written;
  for (int i = 0; i < 5000; ++i) {
    lines.push(numbered_line(i));
    REQUIRE(sink.flush());
    written += numbered_line(i);
  }
  CHECK(test::get_file(dir / "log") == written);
}

TEST_CASE("sink: at the program's end the reader gets what is left, if it reads in time") {
  auto ends = make_pipe();
  REQUIRE(ends);
  LineQueue lines(dropped_line);
  FdSink sink(lines, ends->write.get());
  fill(ends->write.get());
  lines.push("last\n");
  sink.flush_within(std::chrono::milliseconds(1));
  CHECK_FALSE(sink.flush());
  read_available(ends->read.get());
  sink.flush_within(std::chrono::seconds(20));
  CHECK(read_available(ends->read.get()) == "last\n");
}

TEST_CASE("keep_flushed: once there is room the lines go out, with no further record to push them") {
  for (const EngineKind kind : {EngineKind::uring, EngineKind::epoll}) {
    LogPipe log(Format::text);
    Loop loop(kind);
    REQUIRE(descriptor() != nullptr);
    auto keeping = loop.start(keep_flushed(*descriptor(), loop.engine()));
    loop.settle();
    fill(log.ends.write.get());
    info("held up");
    loop.settle();
    std::string text = read_available(log.ends.read.get());
    CHECK(text.find("held up") == text.npos);
    loop.run_until([&] {
      text += read_available(log.ends.read.get());
      return text.ends_with("info held up\n");
    });
    CHECK_FALSE(keeping.done());
  }
}

TEST_CASE("log: the record of dropped lines has the configured form, and a place before the lines that follow") {
  for (const Format format : {Format::json, Format::text}) {
    LogPipe log(format);
    for (int i = 0; i < 20'000; ++i) info("tick", {{"number", i}});
    std::string text;
    while (!descriptor()->flush()) text += read_available(log.ends.read.get());
    text += read_available(log.ends.read.get());
    uint64_t ticks = 0;
    uint64_t dropped = 0;
    for (const std::string& line : lines_of(text)) {
      const bool is_json = line.starts_with("{\"time\":\"") && line.ends_with("}\n");
      REQUIRE(is_json == (format == Format::json));
      if (line.find("log lines dropped") == line.npos) {
        const std::string number = std::to_string(ticks + dropped);
        const std::string field = format == Format::json ? "\"msg\":\"tick\",\"number\":" + number + "}\n"
                                                         : " info tick number=" + number + "\n";
        REQUIRE(line.ends_with(field));
        ++ticks;
        continue;
      }
      CHECK(line.find(format == Format::json ? "\"level\":\"warning\"" : " warning ") != line.npos);
      dropped += std::stoull(line.substr(line.find("count") + (format == Format::json ? 7 : 6)));
    }
    CHECK(dropped > 0);
    CHECK(ticks + dropped == 20'000);
  }
}

TEST_CASE("log: with no descriptor it is kept for the port alone, as JSON") {
  LineQueue& lines = keep_for_port();
  lines.take(LineQueue::kRingBytes);
  configure(Level::info, Format::text, -1);
  CHECK(descriptor() == nullptr);
  info("started", {{"io", "uring"}});
  debug("not at this level");
  const std::string line = lines.take(1);
  CHECK(line.starts_with("{\"time\":\""));
  CHECK(line.ends_with("\"level\":\"info\",\"msg\":\"started\",\"io\":\"uring\"}\n"));
  CHECK(lines.empty());
  configure(Level::info, Format::text, STDERR_FILENO);
}

}  // namespace gcs::testing
