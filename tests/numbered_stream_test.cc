#include "tests/support/numbered_stream.h"

#include <doctest/doctest.h>

#include <random>

namespace gcs::testing {
namespace {

using Ranges = std::vector<Range>;

/// Gives bytes [from, to) as one connection's next.
void give(NumberedStream& stream, uint64_t from, uint64_t to) {
  stream.take(numbered_text(from, to - from));
}

}  // namespace

TEST_CASE("numbered stream: the text is what seq writes, from any byte on") {
  CHECK(numbered_text(0, 20) == "100000000\n100000001\n");
  CHECK(numbered_text(95, 10) == "0009\n10000");
  CHECK(numbered_text(999999 * 10, 20) == "100999999\n101000000\n");
}

TEST_CASE("numbered stream: a whole stream has no fault, whatever its chunks") {
  std::mt19937 random(1);
  const std::string text = numbered_text(0, 100'000);
  NumberedStream stream;
  for (size_t at = 0; at < text.size();) {
    const size_t size = std::min<size_t>(1 + random() % 37, text.size() - at);
    stream.take(std::string_view(text).substr(at, size));
    at += size;
  }
  CHECK(stream.position() == 100'000);
  CHECK(stream.faults().empty());
}

TEST_CASE("numbered stream: connections that break anywhere, even within a line, join without a fault") {
  std::mt19937 random(2);
  NumberedStream stream;
  for (uint64_t at = 0; at < 10'000;) {
    const uint64_t end = at + 1 + random() % 50;
    give(stream, at, end);
    stream.connection_ended();
    at = end;
  }
  CHECK(stream.faults().empty());
}

TEST_CASE("numbered stream: a lost range is named, to the byte") {
  NumberedStream stream;
  give(stream, 0, 1003);
  stream.connection_ended();
  give(stream, 1517, 3000);
  CHECK(stream.lost() == Ranges{{1003, 1517}});
  REQUIRE(stream.jumps().size() == 1);
  CHECK(stream.jumps()[0].at_start);
  CHECK(stream.jumps()[0].connection == 1);
  CHECK(stream.faults() ==
        std::vector<std::string>{"lost bytes 1003..1517 (lines 100..152, the first cut, the last cut)"});
}

TEST_CASE("numbered stream: a range that comes again is doubled") {
  NumberedStream stream;
  give(stream, 0, 1000);
  stream.connection_ended();
  give(stream, 795, 2000);
  CHECK(stream.doubled() == Ranges{{795, 1000}});
  CHECK(stream.lost().empty());
}

TEST_CASE("numbered stream: a jump within a connection is told from one at its start") {
  NumberedStream stream;
  stream.take(numbered_text(0, 100) + numbered_text(214, 100));
  REQUIRE(stream.jumps().size() == 1);
  CHECK_FALSE(stream.jumps()[0].at_start);
  CHECK(stream.lost().size() == 1);
  CHECK(stream.lost()[0].to - stream.lost()[0].from == 114);
}

TEST_CASE("numbered stream: what was lost and comes later is out of order, not lost and not doubled") {
  NumberedStream stream;
  give(stream, 0, 100);
  stream.connection_ended();
  give(stream, 300, 400);
  stream.connection_ended();
  give(stream, 50, 350);
  CHECK(stream.late() == Ranges{{100, 300}});
  CHECK(stream.doubled() == Ranges{{50, 100}, {300, 350}});
  CHECK(stream.lost().empty());
}

TEST_CASE("numbered stream: bytes of another kind are counted, and the stream is found again behind them") {
  NumberedStream stream;
  give(stream, 0, 100);
  stream.take("what is this doing here\n");
  give(stream, 100, 300);
  CHECK(stream.unreadable() == 24);
  CHECK(stream.position() == 300);
  CHECK(stream.lost().empty());
}

TEST_CASE("numbered stream: too few bytes to tell their place are waited for, and given up with the connection") {
  NumberedStream stream;
  give(stream, 0, 100);
  stream.connection_ended();
  give(stream, 507, 512);
  CHECK_FALSE(stream.located());
  CHECK(stream.position() == 100);
  stream.connection_ended();
  CHECK(stream.undetermined() == 5);
  give(stream, 100, 130);
  CHECK(stream.lost().empty());
}

}  // namespace gcs::testing
