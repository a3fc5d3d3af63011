// What was sent is kept in a kernel pipe without a copy, byte for byte.

#include "stdio/keep_pipe.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "stdio/io/splice.h"
#include "tests/support/fake_stream.h"
#include "tests/support/loop.h"

namespace gcs::testing {
namespace {

using stdio::KeepPipe;

/// A process's pipe, and what keeps its bytes.
struct House {
  Loop loop;
  io::PipeEnds process = pipe();
  KeepPipe keep;

  House() { REQUIRE(keep.open()); }

  static io::PipeEnds pipe() {
    auto ends = io::make_pipe();
    REQUIRE(ends);
    io::set_nonblocking(ends->read.get());
    ::fcntl(ends->write.get(), F_SETPIPE_SZ, 1 << 20);
    return std::move(*ends);
  }

  void write(const std::string& text) {
    REQUIRE(::write(process.write.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }

  /// As a pump does that gets `size` bytes of what it has taken to the host.
  size_t take() {
    const auto taken = keep.take(process.read.get(), 1 << 20);
    REQUIRE(taken);
    return *taken;
  }
  void send(size_t size) {
    REQUIRE(io::discard_bytes(process.read.get(), size));
    keep.sent(size);
  }
  void write_and_send(const std::string& text) {
    write(text);
    CHECK(take() == text.size());
    send(text.size());
  }

  std::string replayed() {
    FakePeer host(loop.executor());
    const auto conn = host.stream();
    CHECK(loop.run(keep.replay(*conn)));
    return host.received();
  }
};

std::string numbered(int count) {
  std::string text;
  for (int i = 0; i < count; ++i) text += std::to_string(100'000 + i) + "\n";
  return text;
}

}  // namespace

TEST_CASE("keep pipe: what was sent since the host's last word is replayed, as often as it takes") {
  House house;
  house.write_and_send("read");
  house.keep.confirmed();
  house.write_and_send("not ");
  house.write_and_send("read");
  CHECK(house.replayed() == "not read");
  CHECK(house.replayed() == "not read");
  house.keep.confirmed();
  CHECK(house.replayed().empty());
}

TEST_CASE("keep pipe: what was taken and not sent goes with the replay, and the process's pipe goes on behind it") {
  House house;
  house.write("sent unsent");
  CHECK(house.take() == 11);
  house.send(5);
  house.write(" next");
  REQUIRE(house.keep.take_over(house.process.read.get()));
  house.keep.confirmed();  // an orderly end is about what was sent
  CHECK(house.replayed() == "unsent");
  CHECK(house.keep.unsent() == 0);
  CHECK(house.take() == 5);
}

TEST_CASE("keep pipe: a replay that breaks loses nothing") {
  House house;
  house.write_and_send("kept");
  FakePeer host(house.loop.executor());
  const auto conn = host.stream();
  host.accept_only(2);
  auto replaying = house.loop.start(house.keep.replay(*conn));
  house.loop.settle();
  host.vanish();
  house.loop.settle();
  REQUIRE(replaying.done());
  CHECK_FALSE(replaying.value());
  CHECK(house.replayed() == "kept");
}

TEST_CASE("keep pipe: what a broken replay got out of the unsent is not unsent any more") {
  House house;
  house.write("unsent");
  CHECK(house.take() == 6);
  REQUIRE(house.keep.take_over(house.process.read.get()));
  FakePeer host(house.loop.executor());
  const auto conn = host.stream();
  host.accept_only(2);
  auto replaying = house.loop.start(house.keep.replay(*conn));
  house.loop.settle();
  host.vanish();
  house.loop.settle();
  REQUIRE(replaying.done());
  CHECK(house.keep.kept() == 2);
  CHECK(house.keep.unsent() == 4);
  CHECK(house.replayed() == "unsent");
}

TEST_CASE("keep pipe: thousands of short pieces are kept, though each takes a page of the pipe at first") {
  House house;
  std::string all;
  for (int i = 0; i < 3000; ++i) {
    const std::string line = std::to_string(i) + "\n";
    house.write_and_send(line);
    all += line;
  }
  CHECK(house.replayed() == all);
}

TEST_CASE("keep pipe: more than its bound is not kept, and the newest bytes are") {
  House house;
  const std::string text = numbered(100'000);
  for (size_t at = 0; at < text.size(); at += 50'000) house.write_and_send(text.substr(at, 50'000));
  house.write("x");
  CHECK(house.take() == 1);
  house.send(1);
  const std::string again = house.replayed();
  CHECK(again.size() == KeepPipe::kBound);
  CHECK((text + "x").ends_with(again));
}

TEST_CASE("keep pipe: the end of the process's output is told, and an empty pipe holds nothing back") {
  House house;
  house.keep.close();
  REQUIRE(house.keep.open());
  house.process.write.reset();
  CHECK(house.take() == 0);
}

}  // namespace gcs::testing
