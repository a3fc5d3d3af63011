// What the agent does for a VM that was paused, migrated or restored: the clock, the generation, the random numbers.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>

#include "gcs/reseed.h"
#include "gcs/restore_watch.h"
#include "gcs/vm_generation.h"
#include "stdio/io/log.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
using test::TempDir;
using namespace std::chrono_literals;
using std::chrono::nanoseconds;

namespace {

constexpr nanoseconds kNow = 1'800'000'000s;

struct FakeKernel final : RestoreKernel {
  Result<ClockGap> gap = ClockGap{"ptp0", 0ns, kNow};
  Result<> step_result;
  Result<> reseed_result;
  bool was_set = false;
  int looks = 0;
  std::vector<nanoseconds> steps;
  std::vector<nanoseconds> reseeds;

  Result<ClockGap> measure_gap() override {
    ++looks;
    return gap;
  }
  Result<> step_clock(nanoseconds by) override {
    steps.push_back(by);
    was_set = true;  // as the kernel's timer tells it
    if (step_result && gap) gap->ahead -= by;
    return step_result;
  }
  Result<> reseed(nanoseconds told) override {
    reseeds.push_back(told);
    return reseed_result;
  }
  bool clock_was_set() override { return std::exchange(was_set, false); }
};

/// A watch on a moved clock over a fake kernel, and what it logs.
struct House {
  explicit House(bool sync_time = true)
      : watch(std::unique_ptr<RestoreKernel>(kernel), offload, clock, loop.executor(), sync_time),
        group(loop.executor()) {
    log::configure(log::Level::info, log::Format::text, ::open((dir / "log").c_str(), O_WRONLY | O_CREAT, 0600));
    group.spawn("restore watch", watch.run());
  }
  ~House() {
    group.cancel();
    loop.run(group.join());
    log::configure(log::Level::info, log::Format::text, STDERR_FILENO);
  }

  /// An outage's end, and all that comes of it until the watch is idle.
  void outage() {
    watch.negotiated();
    finish();
  }

  /// Lets the series of checks go on to its end.
  void finish() {
    for (int i = 0; i < 5; ++i) {
      wait_parked();
      clock.advance(6s);
    }
    wait_parked();
  }

  /// Until the task waits for its condition again, not for a helper thread.
  void wait_parked() {
    loop.run_until([] {
      const auto tasks = io::live_tasks();
      return std::ranges::find(tasks, "restore watch: outage") != tasks.end();
    });
    loop.settle();
  }

  size_t logged(const std::string& text) {
    const std::string all = test::get_file(dir / "log");
    size_t count = 0;
    for (size_t at = all.find(text); at != all.npos; at = all.find(text, at + 1)) ++count;
    return count;
  }

  TempDir dir;
  Loop loop;
  ManualClock clock;
  io::Offload offload{loop.executor(), loop.clock()};
  FakeKernel* kernel = new FakeKernel;  // the watch's
  RestoreWatch watch;
  io::TaskGroup group;
};

/// A house whose host has been met before.
struct Settled : House {
  explicit Settled(bool sync_time = true) : House(sync_time) { watch.negotiated(); }
};

}  // namespace

TEST_CASE("restore: the first session is no return, and nothing is looked at") {
  House house;
  house.kernel->was_set = true;
  house.outage();
  CHECK(house.kernel->looks == 0);
  CHECK(house.kernel->reseeds.empty());
  CHECK_FALSE(house.kernel->was_set);  // what happened before it, is a boot's
}

TEST_CASE("restore: a clock that is off by less than a jump is left as it is, in silence") {
  for (const nanoseconds ahead : {nanoseconds(0), nanoseconds(100ms), nanoseconds(-100ms)}) {
    Settled house;
    house.kernel->gap->ahead = ahead;
    house.outage();
    CHECK(house.kernel->looks == 3);
    CHECK(house.kernel->steps.empty());
    CHECK(house.kernel->reseeds.empty());
    CHECK(test::get_file(house.dir / "log").empty());
  }
}

TEST_CASE("restore: a jump is stepped once, in either direction, logged, and followed by a reseed") {
  for (const nanoseconds ahead : {nanoseconds(101ms), nanoseconds(3600s), nanoseconds(-101ms), nanoseconds(-3600s)}) {
    Settled house;
    house.kernel->gap->ahead = ahead;
    house.outage();
    CHECK(house.kernel->steps == std::vector{ahead});
    CHECK(house.kernel->reseeds == std::vector{kNow});
    CHECK(house.logged("the clock had jumped and was stepped") == 1);
    CHECK(house.logged("device=\"ptp0\"") == 1);
    CHECK(house.logged("ahead_us=" + std::to_string(ahead / 1us)) == 1);
    CHECK(house.logged("random numbers reseeded") == 1);
    CHECK(house.logged("somebody has set the clock") == 0);
  }
}

TEST_CASE("restore: our own step is no sign of a restore at the next outage") {
  Settled house;
  house.kernel->gap->ahead = 5s;
  house.outage();
  house.outage();
  CHECK(house.kernel->steps.size() == 1);
  CHECK(house.kernel->reseeds.size() == 1);
  CHECK(house.logged("somebody has set the clock") == 0);
}

TEST_CASE("restore: a hypervisor's clock that learns the new time seconds later is heeded then") {
  Settled house;
  house.watch.negotiated();
  house.wait_parked();
  CHECK(house.kernel->looks == 1);
  house.kernel->gap->ahead = 30s;
  house.clock.advance(6s);
  house.finish();
  CHECK(house.kernel->looks == 2);
  CHECK(house.kernel->steps == std::vector<nanoseconds>{30s});
}

TEST_CASE("restore: an outage during a series of checks begins the series anew") {
  Settled house;
  house.watch.negotiated();
  house.wait_parked();
  house.clock.advance(3s);
  house.watch.negotiated();
  house.finish();
  CHECK(house.kernel->looks == 4);
}

TEST_CASE("restore: where the hypervisor offers no clock that is said once, however many outages there are") {
  Settled house;
  house.kernel->gap = Error(Errc::not_found, "none");
  house.outage();
  house.outage();
  CHECK(house.kernel->looks == 6);
  CHECK(house.logged("offers no clock") == 1);
  CHECK(house.logged("\n") == 1);
  CHECK(house.kernel->reseeds.empty());
}

TEST_CASE("restore: a clock that cannot be read is said to be so, and read again") {
  Settled house;
  house.kernel->gap = Error(Errc::internal, "ptp0: Stale file handle", ESTALE);
  house.outage();
  CHECK(house.kernel->looks == 3);
  CHECK(house.logged("cannot be read") == 3);
  CHECK(house.kernel->steps.empty());
}

TEST_CASE("restore: with time sync disabled no clock is read or set") {
  Settled house(false);
  house.kernel->gap->ahead = 3600s;
  house.outage();
  CHECK(house.kernel->looks == 0);
  CHECK(house.kernel->steps.empty());
  CHECK(house.kernel->reseeds.empty());
  CHECK(test::get_file(house.dir / "log").empty());
}

TEST_CASE("restore: a clock that cannot be stepped is logged, and the reseed done all the same") {
  Settled house;
  house.kernel->gap->ahead = 3600s;
  house.kernel->step_result = sys_error("step the clock", EPERM);
  house.outage();
  CHECK(house.kernel->steps.size() == 1);
  CHECK(house.logged("cannot be stepped") == 1);
  CHECK(house.kernel->reseeds.size() == 1);
  house.outage();
  CHECK(house.kernel->steps.size() == 2);  // the next outage tries again
}

TEST_CASE("restore: a reseed that fails is logged, and tried again by the checks that follow, until it is done") {
  Settled house;
  house.kernel->gap->ahead = 3600s;
  house.kernel->reseed_result = sys_error("reseed", ENODATA);
  house.watch.negotiated();
  house.wait_parked();
  CHECK(house.logged("could not be reseeded") == 1);
  house.kernel->reseed_result = {};
  house.clock.advance(6s);
  house.wait_parked();
  CHECK(house.logged("random numbers reseeded") == 1);
  CHECK(house.kernel->steps.size() == 1);
  house.finish();
  CHECK(house.kernel->reseeds.size() == 2);
}

TEST_CASE("restore: a reseed that fails to the end of its series is made up for after the next outage") {
  Settled house;
  house.kernel->gap->ahead = 3600s;
  house.kernel->reseed_result = sys_error("reseed", ENODATA);
  house.outage();
  CHECK(house.kernel->reseeds.size() == 3);
  house.kernel->reseed_result = {};
  house.outage();
  CHECK(house.kernel->reseeds.size() == 4);
}

TEST_CASE("restore: a clock that somebody else has stepped meanwhile is a sign of a restore") {
  for (const bool sync_time : {true, false}) {
    Settled house(sync_time);
    house.kernel->was_set = true;
    house.outage();
    CHECK(house.kernel->steps.empty());
    CHECK(house.kernel->reseeds.size() == 1);
    CHECK(house.logged("somebody has set the clock") == 1);
  }
}

TEST_CASE("restore: a changed generation reseeds without an outage, and before any session") {
  House house;
  house.watch.generation_changed();
  house.watch.generation_changed();  // both sources tell of one change
  house.finish();
  CHECK(house.kernel->reseeds.size() == 1);
  CHECK(house.logged("the VM generation has changed") == 1);
}

TEST_CASE("clock gap: the quickest reading counts, from its middle") {
  const std::array<ClockReading, 3> readings = {
      ClockReading{kNow, kNow + 7s, kNow + 10ms},
      ClockReading{kNow + 1s, kNow + 6s + 1ms, kNow + 1s + 2ms},
      ClockReading{kNow + 2s, kNow + 9s, kNow + 2s + 15ms},
  };
  const auto gap = gap_of(readings);
  REQUIRE(gap);
  CHECK(gap->ahead == 5s);
  CHECK(gap->time == kNow + 6s + 1ms);
}

TEST_CASE("clock gap: readings that took too long, or during which our clock was set, tell nothing") {
  const std::array<ClockReading, 2> readings = {
      ClockReading{kNow, kNow, kNow + 21ms},
      ClockReading{kNow, kNow, kNow - 1ms},
  };
  CHECK(gap_of(readings).error().code() == Errc::exhausted);
}

TEST_CASE("clock gap: a time that cannot be is not taken for one") {
  for (const nanoseconds time : {nanoseconds(0), nanoseconds(1'500'000'000s), nanoseconds(6'802'270'473s)}) {
    const std::array readings = {ClockReading{kNow, time, kNow + 1us}};
    CHECK(gap_of(readings).error().code() == Errc::internal);
  }
}

TEST_CASE("hypervisor clock: it is known by its driver's name, and network cards' are passed over") {
  TempDir sys;
  CHECK(find_hypervisor_clock(sys / "absent").error().code() == Errc::not_found);
  CHECK(find_hypervisor_clock(sys.path()).error().code() == Errc::not_found);
  test::put_file(sys / "ptp0/clock_name", "52:54:00:12:34:56\n");
  test::put_file(sys / "ptp1/clock_name", "hypervisor\n");
  test::put_dir(sys / "ptp2");
  CHECK(find_hypervisor_clock(sys.path()).error().code() == Errc::not_found);
  test::put_file(sys / "ptp3/clock_name", "hyperv\n");
  CHECK(*find_hypervisor_clock(sys.path()) == "ptp3");
  test::put_file(sys / "ptp1/clock_name", "KVM virtual PTP\n");
  CHECK(*find_hypervisor_clock(sys.path()) == "ptp1");
}

TEST_CASE("hypervisor clock: a device that is missing, or is no clock, is an error that names it") {
  TempDir dev;
  const auto missing = measure_gap("ptp0", dev.path());
  CHECK(missing.error().code() != Errc::not_found);  // which would say that there is none to expect
  CHECK(missing.error().message().find("ptp0") != std::string::npos);
  test::put_file(dev / "ptp1", "");
  CHECK(measure_gap("ptp1", dev.path()).error().message().find("ptp1") != std::string::npos);
}

TEST_CASE("reseed: what is no random device is an error, not the end") {
  TempDir dir;
  CHECK_FALSE(reseed(0ns, (dir / "absent").c_str()));
  CHECK_FALSE(reseed(0ns, "/dev/null"));
}

TEST_CASE("uevent: only a change with NEW_VMGENID=1 tells of a generation") {
  using namespace std::string_view_literals;
  constexpr auto kReal =
      "change@/devices/platform/QEMUVGID:00\0ACTION=change\0DEVPATH=/devices/platform/QEMUVGID:00\0SUBSYSTEM=platform\0"
      "NEW_VMGENID=1\0DRIVER=vmgenid\0SEQNUM=1234\0"sv;
  CHECK(kUevents.tells(kReal));
  // Cut anywhere before the variable's end it is no such message; and never a crash.
  const size_t needed = kReal.find("NEW_VMGENID=1") + sizeof "NEW_VMGENID=1";
  for (size_t n = 0; n < kReal.size(); ++n) CHECK(kUevents.tells(kReal.substr(0, n)) == (n >= needed));
  for (const auto other : {
           ""sv,
           "\0"sv,
           "\0\0\0"sv,
           "change@"sv,
           "add@/devices/x\0ACTION=add\0NEW_VMGENID=1\0"sv,
           "change@/devices/x\0ACTION=change\0SYNTH_ARG_NEW_VMGENID=1\0"sv,
           "change@/devices/x\0ACTION=change\0NEW_VMGENID=0\0"sv,
           "change@/devices/x\0ACTION=change\0NEW_VMGENID=11\0"sv,
           "change@/devices/NEW_VMGENID=1\0ACTION=change\0"sv,
           "libudev\0\xfe\xed\xca\xfe NEW_VMGENID=1\0"sv,
       }) {
    CHECK_FALSE(kUevents.tells(other));
  }
}

TEST_CASE("uevents: a message of a program is passed over, the kernel's is not") {
  const auto listening = kUevents.open();
  REQUIRE(listening);
  CHECK(kUevents.take(*listening).error().sys_errno() == EAGAIN);
  io::Fd program(::socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_KOBJECT_UEVENT));
  sockaddr_nl group{};
  group.nl_family = AF_NETLINK;
  group.nl_groups = 1;
  const std::string_view forged("change@/forged\0NEW_VMGENID=1\0", 29);
  if (::sendto(program.get(), forged.data(), forged.size(), 0, reinterpret_cast<sockaddr*>(&group), sizeof group) < 0) {
    MESSAGE("left out: no right to send to the group");
    return;
  }
  const auto passed_over = kUevents.take(*listening);
  REQUIRE(passed_over);
  CHECK(passed_over->empty());
  if (!io::write_file("/sys/devices/virtual/mem/null/uevent", "change")) {
    MESSAGE("left out: no right to ask the kernel for an event");
    return;
  }
  // Others of the machine's may come before it.
  for (;;) {
    const auto real = kUevents.take(*listening);
    REQUIRE(real);
    if (real->starts_with("change@/devices/virtual/mem/null")) break;
  }
}

#define ON_BOTH_ENGINES(name)               \
  static void name(EngineKind kind);        \
  TEST_CASE("generation [uring]: " #name) { \
    name(EngineKind::uring);                \
  }                                         \
  TEST_CASE("generation [epoll]: " #name) { \
    name(EngineKind::epoll);                \
  }                                         \
  static void name(EngineKind kind)

using io::EngineKind;

namespace {

/// A source over a pipe, whose writing end the test has; one byte is one message.
int pipe_end = -1;

const GenerationSource kPipe{
    "pipe",
    []() -> Result<io::Fd> {
      auto ends = io::make_pipe();
      if (!ends) return ends.error();
      io::set_nonblocking(ends->read.get());
      pipe_end = ends->write.release();
      return std::move(ends->read);
    },
    [](const io::Fd& fd) -> Result<std::string> {
      char byte = 0;
      const ssize_t n = ::read(fd.get(), &byte, 1);
      if (n < 0) return sys_error("read");
      if (n == 0) return Error(Errc::internal, "end");
      return std::string(1, byte);
    },
    [](std::string_view message) { return message == "!"; },
};

}  // namespace

ON_BOTH_ENGINES(each_message_that_tells_of_it_is_passed_on_until_the_source_ends) {
  Loop loop(kind);
  int changes = 0;
  auto watching = loop.start(watch_generation(loop.engine(), kPipe, [&changes] { ++changes; }));
  loop.settle();
  REQUIRE(::write(pipe_end, ".!.", 3) == 3);
  loop.run_until([&changes] { return changes == 1; });
  REQUIRE(::write(pipe_end, "!", 1) == 1);
  loop.run_until([&changes] { return changes == 2; });
  CHECK_FALSE(watching.done());
  ::close(pipe_end);
  loop.run_until([&watching] { return watching.done(); });
}

ON_BOTH_ENGINES(a_watch_can_be_cancelled_while_it_waits_for_the_kernel) {
  Loop loop(kind);
  io::TaskGroup group(loop.executor());
  group.spawn("uevents", watch_generation(loop.engine(), kUevents, [] {}));
  loop.settle();
  group.cancel();
  loop.run(group.join());
}

}  // namespace gcs::testing
