// A container's streams at a shim: offered again after outages, with stdin from a FIFO, and gone with the container.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "tests/host/fake_guest.h"
#include "tests/host/local_host.h"
#include "tests/migration/kept_container.h"
#include "tests/migration/stdio_files.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace std::chrono_literals;
using namespace gcs::migration;

constexpr io::Port kPort = 0x40000007;

struct Ignored final : host::StreamUser {
  void took(std::string_view) override {}
  void parted(host::Parting, size_t) override {}
};

/// One stream whose connection is gone, and whose port cannot be had.
struct Offer {
  Offer()
      : path(directory.transport().path + "_" + std::to_string(kPort)),
        group(loop.executor()),
        end(loop.engine(), clock, directory.transport(), kPort, nullptr, user),
        stream(clock, group, &user, [this] { return wanted; }) {
    stream.keep(&end);
    block();
    stream.offer();
    loop.settle();
  }
  ~Offer() {
    group.cancel();
    loop.run(group.join());
  }

  void block() const { REQUIRE(::mkdir(path.c_str(), 0700) == 0); }
  void unblock() const { REQUIRE(::rmdir(path.c_str()) == 0); }
  bool open() const {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
  }
  void pass(io::Clock::Duration time) {
    clock.advance(time);
    loop.settle();
  }

  TempDir directory;
  std::string path;
  Loop loop;
  ManualClock clock;
  Ignored user;
  bool wanted = true;
  io::TaskGroup group;
  host::StreamEnd end;
  OfferedStream stream;
};

/// What a host has of a container that another one saved; its stdin is a port of the guest's.
struct Host {
  explicit Host(const std::string& io) : files(loop.engine(), io), host(loop.engine(), loop.clock(), io_transport()) {
    auto users = files.open("c1", {true, false, false});
    REQUIRE(users);
    ContainerRecord record;
    record.id = "c1";
    record.init = {"c1", 7, {kPort, 0, 0}, 5};
    container = std::make_unique<KeptContainer>(loop.executor(), loop.clock(), record, *users, [] { return true; });
    container->keep(
        std::make_unique<host::KeptProcess>(host, container->group, record.init, container->users(), [](uint32_t) {}));
    files.feed(*container->process);
    loop.settle();
  }
  ~Host() {
    loop.run(container->stop());
    loop.run(files.stop());
    loop.run(host.client().stop());
  }
  io::TransportName io_transport() const { return directory.transport(); }

  TempDir directory;
  Loop loop;
  StdioFiles files;
  host::LocalHost host;
  std::unique_ptr<KeptContainer> container;
};

size_t tasks_named(const std::string& name) {
  const auto tasks = io::live_tasks();
  return static_cast<size_t>(
      std::count_if(tasks.begin(), tasks.end(), [&](const std::string& task) { return task.starts_with(name); }));
}

}  // namespace

TEST_CASE("offered stream: a port that cannot be had is tried again, with pauses that grow up to five seconds") {
  Offer offer;
  for (const auto pause : {10ms, 20ms, 40ms, 80ms, 160ms, 320ms, 640ms, 1280ms, 2560ms, 5000ms}) {
    offer.unblock();
    offer.pass(pause - 1ms);
    CHECK_FALSE(offer.open());
    offer.block();
    offer.pass(1ms);
  }
  offer.unblock();
  offer.pass(5000ms);
  CHECK(offer.open());
  CHECK(offer.group.size() == 0);
}

TEST_CASE("offered stream: one that is not wanted any more is given up") {
  Offer offer;
  offer.wanted = false;
  offer.unblock();
  offer.pass(10ms);
  CHECK_FALSE(offer.open());
  CHECK(offer.group.size() == 0);
  offer.wanted = true;
  offer.stream.offer();
  CHECK(offer.open());
}

TEST_CASE("offered stream: one whose container goes is given up") {
  Offer offer;
  offer.stream.give_up();
  offer.unblock();
  offer.pass(10ms);
  CHECK_FALSE(offer.open());
  CHECK(offer.group.size() == 0);
}

TEST_CASE("kept container: what waits for a container ends with it, and with no other") {
  test::TempDir io;
  Host one(io / "");
  const size_t before = tasks_named("adopted wait");
  one.container->process->expect(one.host.client());
  CHECK(tasks_named("adopted wait") == before + 1);
  one.loop.run(one.container->stop());
  CHECK(tasks_named("adopted wait") == before);
}

TEST_CASE("stdin: what the guest has not accepted is there for the next host") {
  test::TempDir io;
  const std::string path = io / "c1.in";
  std::optional<Host> source(std::in_place, io / "");
  const io::Fd writer(::open(path.c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  REQUIRE(writer);
  REQUIRE(::write(writer.get(), "one\ntwo\n", 8) == 8);
  source->loop.settle();
  Host destination(io / "");
  source.reset();
  destination.container->offer_streams();
  FakeGuest guest(destination.loop, destination.io_transport());
  const auto stream = destination.loop.run(guest.dial_port(kPort));
  std::array<std::byte, 8> got{};
  const auto read = destination.loop.run(io::read_full(*stream, got));
  REQUIRE(read);
  CHECK(std::string(reinterpret_cast<const char*>(got.data()), *read) == "one\ntwo\n");
}

TEST_CASE("stdin: what the guest has accepted comes once, and the end after it") {
  test::TempDir io;
  Host host(io / "");
  host.container->offer_streams();
  FakeGuest guest(host.loop, host.io_transport());
  const auto stream = host.loop.run(guest.dial_port(kPort));
  std::string text;
  for (int i = 0; i < 20000; ++i) text += std::to_string(i) + "\n";
  io::Fd writer(::open((io / "c1.in").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
  REQUIRE(writer);
  std::string got;
  size_t sent = 0;
  std::array<std::byte, 4096> buffer{};
  for (;;) {
    const ssize_t n = writer ? ::write(writer.get(), text.data() + sent, text.size() - sent) : 0;
    if (n > 0) sent += static_cast<size_t>(n);
    if (sent == text.size()) writer = io::Fd();
    const auto read = host.loop.run(stream->read_some(buffer));
    REQUIRE(read);
    if (*read == 0) break;
    got.append(reinterpret_cast<const char*>(buffer.data()), *read);
  }
  CHECK(got == text);
}

TEST_CASE("stdin: a host that comes when the writer has gone gets what is left, and the end") {
  test::TempDir io;
  std::optional<Host> source(std::in_place, io / "");
  {
    const io::Fd writer(::open((io / "c1.in").c_str(), O_WRONLY | O_NONBLOCK | O_CLOEXEC));
    REQUIRE(::write(writer.get(), "last", 4) == 4);
  }
  source->loop.settle();
  Host destination(io / "");
  source.reset();
  destination.container->offer_streams();
  FakeGuest guest(destination.loop, destination.io_transport());
  const auto stream = destination.loop.run(guest.dial_port(kPort));
  std::array<std::byte, 8> got{};
  const auto read = destination.loop.run(io::read_full(*stream, got));
  REQUIRE(read);
  CHECK(*read == 4);
}

TEST_CASE("stdin: files that cannot be opened, or are of another kind, are named") {
  test::TempDir io;
  Loop loop;
  StdioFiles nowhere(loop.engine(), io / "missing");
  CHECK(nowhere.open("c1", {}).error().message().find("/missing/c1.out") != std::string::npos);
  CHECK(nowhere.open("c1", {true}).error().message().find("/missing/c1.in") != std::string::npos);
  const io::Fd file(::open((io / "c1.in").c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  StdioFiles files(loop.engine(), io / "");
  CHECK(files.open("c1", {true}).error().message().find("c1.in is no FIFO") != std::string::npos);
}

}  // namespace gcs::testing
