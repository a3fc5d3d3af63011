#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/host/control_socket.h"
#include "tests/migration/transport_handover.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

using namespace gcs::migration;
using namespace std::chrono_literals;
using gcs::Errc;
using gcs::testing::Loop;
using gcs::testing::ManualClock;
namespace io = gcs::io;

namespace {

struct Pair {
  io::Fd one, other;
  Pair() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    one = io::Fd(ends[0]);
    other = io::Fd(ends[1]);
  }
};

struct House {
  explicit House(io::EngineKind kind = io::EngineKind::epoll) : loop(kind) {}

  Loop loop;
  ManualClock clock;
  gcs::test::TempDir dir;
  std::string path = dir / "offer";

  gcs::Result<io::Fd> take() { return loop.run(take_transport(loop.engine(), clock, path, 10s)); }
  std::unique_ptr<TransportOffer> offer(io::Fd fd) {
    auto offered = TransportOffer::at(loop.engine(), path, std::move(fd));
    REQUIRE(offered);
    return std::move(*offered);
  }
};

}  // namespace

TEST_CASE("handover: the connection that was offered is the taker's, and outlives who offered it") {
  auto kind = io::EngineKind::epoll;
  SUBCASE("on epoll") {
    kind = io::EngineKind::epoll;
  }
  SUBCASE("on the ring") {
    kind = io::EngineKind::uring;
  }
  House house(kind);
  Pair pair;
  auto offer = house.offer(std::move(pair.one));
  auto given = house.loop.start(offer->taken());
  const auto taken = house.take();
  REQUIRE(taken);
  house.loop.run_until([&] { return given.done(); });
  CHECK(given.value());
  offer.reset();
  CHECK_FALSE(gcs::test::exists(house.path));

  REQUIRE(::write(taken->get(), "x", 1) == 1);
  char byte = 0;
  CHECK(::read(pair.other.get(), &byte, 1) == 1);
  CHECK(byte == 'x');
  CHECK((::fcntl(taken->get(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("handover: what is offered has to be a connected stream socket") {
  House house;
  io::Fd offered;
  SUBCASE("a file") {
    offered = io::Fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  }
  SUBCASE("datagrams") {
    offered = io::Fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  }
  SUBCASE("not connected") {
    offered = io::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
  const auto offer = house.offer(std::move(offered));
  auto given = house.loop.start(offer->taken());
  const auto taken = house.take();
  REQUIRE_FALSE(taken);
  CHECK(taken.error().code() == Errc::wrong_state);
}

TEST_CASE("handover: a path nobody listens on is an error at once") {
  House house;
  REQUIRE_FALSE(house.take());
}

TEST_CASE("handover: who offers nothing is given up after the limit") {
  House house;
  const auto listener = gcs::host::listen_control(house.loop.engine(), house.path);
  REQUIRE(listener);
  auto taking = house.loop.start(take_transport(house.loop.engine(), house.clock, house.path, 10s));
  const auto client = house.loop.run((*listener)->accept());
  REQUIRE(client);
  house.loop.settle();
  CHECK_FALSE(taking.done());
  house.clock.advance(10s);
  house.loop.run_until([&] { return taking.done(); });
  CHECK(taking.value().error().code() == Errc::timed_out);
}

TEST_CASE("handover: bytes without a descriptor, and an end without any, are refused") {
  House house;
  const auto listener = gcs::host::listen_control(house.loop.engine(), house.path);
  REQUIRE(listener);
  auto taking = house.loop.start(take_transport(house.loop.engine(), house.clock, house.path, 10s));
  auto client = house.loop.run((*listener)->accept());
  REQUIRE(client);
  SUBCASE("bytes") {
    REQUIRE(house.loop.run(io::write_all(**client, io::as_bytes("x"))));
  }
  SUBCASE("the end") {
    client->reset();
  }
  house.loop.run_until([&] { return taking.done(); });
  REQUIRE_FALSE(taking.value());
  CHECK(taking.value().error().code() == Errc::internal);
}

TEST_CASE("handover: a path has to be one") {
  CHECK(check_handover_path("").error().code() == Errc::invalid_argument);
  CHECK(check_handover_path(std::string(108, 'x')).error().code() == Errc::invalid_argument);
  CHECK(check_handover_path(std::string("/tmp/a\0b", 8)).error().code() == Errc::invalid_argument);
  CHECK(check_handover_path(std::string(107, 'x')));
}
