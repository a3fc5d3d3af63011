// Chronyd as a program that may be missing, or end at any time: a shell script in its place.

#include "gcs/time_sync.h"

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <algorithm>

#include "tests/support/captured_log.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace std::chrono_literals;
using test::TempDir;

/// A machine with the hypervisor's clock as ptp1, and a chronyd that notes each of its starts.
struct House {
  explicit House(const std::string& script) {
    test::put_file(dir / "ptp/ptp0/clock_name", "52:54:00:12:34:56\n");
    test::put_file(dir / "ptp/ptp1/clock_name", "hyperv\n");
    settings = {dir / "ptp", "/dev", dir / "chronyd.conf", dir / "chronyd"};
    test::put_file(settings.program, "#!/bin/sh\necho \"$$ $*\" >>" + (dir / "starts") + "\n" + script);
    REQUIRE(::chmod(settings.program.c_str(), 0755) == 0);
    REQUIRE(reaper.start());
    reaping.spawn("reaper", reaper.run());
  }
  ~House() {
    stop();
    reaping.cancel();
    loop.run(reaping.join());
  }

  void start() { group.spawn("chronyd", keep_time(reaper, loop.executor(), clock, settings)); }

  void stop() {
    group.cancel();
    loop.run(group.join());
  }

  std::string starts() { return test::exists(dir / "starts") ? test::get_file(dir / "starts") : std::string(); }
  auto count() { return std::ranges::count(starts(), '\n'); }

  /// Until the task is between two runs.
  void wait_paused() {
    loop.run_until([] {
      const auto tasks = io::live_tasks();
      return std::ranges::find(tasks, "chronyd: clock") != tasks.end();
    });
  }

  CapturedLog log;
  TempDir dir;
  Loop loop;
  ManualClock clock;
  TimeSyncSettings settings;
  runtime::Reaper reaper{loop.engine()};
  io::TaskGroup reaping{loop.executor()};
  io::TaskGroup group{loop.executor()};
};

}  // namespace

TEST_CASE("chronyd: it is started on the hypervisor's clock, in the foreground") {
  House house("exec sleep 1000");
  house.start();
  house.loop.look_until([&] { return house.count() == 1; });
  CHECK(house.starts().ends_with(" -n -f " + house.settings.config + "\n"));
  CHECK(test::get_file(house.settings.config) ==
        "refclock PHC /dev/ptp1 poll 3 dpoll -2 offset 0 stratum 2\nmakestep 0.1 -1\n");
}

TEST_CASE("chronyd: it ends with the agent") {
  House house("exec sleep 1000");
  house.start();
  house.loop.look_until([&] { return house.count() == 1; });
  const auto pid = static_cast<pid_t>(std::stoi(house.starts()));
  REQUIRE(::kill(pid, 0) == 0);
  house.stop();
  house.loop.look_until([&] { return ::kill(pid, 0) != 0; });
}

TEST_CASE("chronyd: one that ends is started again, after pauses that double up to ten minutes") {
  House house("exit 1");
  house.start();
  std::chrono::milliseconds pause = 500ms;
  for (int starts = 1; starts < 14; ++starts) {
    CAPTURE(starts);
    house.wait_paused();
    CHECK(house.count() == starts);
    house.clock.advance(pause - 1ms);
    house.loop.settle();
    CHECK(house.count() == starts);
    house.clock.advance(1ms);
    house.loop.look_until([&] { return house.count() == starts + 1; });
    pause = std::min<std::chrono::milliseconds>(2 * pause, 10min);
  }
  CHECK(pause == 10min);
}

TEST_CASE("chronyd: one that ran for long is started again at once, whatever was before") {
  House house("[ -e $0.stay ] && exec sleep 1000; exit 1");
  house.start();
  for (const auto pause : {500ms, 1000ms, 2000ms}) {
    house.wait_paused();
    if (pause == 2000ms) test::put_file(house.settings.program + ".stay", "");
    house.clock.advance(pause);
  }
  house.loop.look_until([&] { return house.count() == 4; });
  house.clock.advance(11min);
  const std::string last = house.starts();
  const auto pid = static_cast<pid_t>(std::stoi(last.substr(last.rfind('\n', last.size() - 2) + 1)));
  REQUIRE(::kill(pid, SIGKILL) == 0);
  house.wait_paused();
  house.clock.advance(500ms);
  house.loop.look_until([&] { return house.count() == 5; });
}

TEST_CASE("chronyd: where the hypervisor has no clock it is not started") {
  House house("");
  house.settings.sysfs = house.dir / "none";
  house.start();
  house.loop.run_until([&] { return house.group.size() == 0; });
  CHECK(house.count() == 0);
  CHECK_FALSE(test::exists(house.settings.config));
  CHECK(house.log.lines() == 1);
  CHECK(house.log.has("chronyd is not started error=\"no PTP device of the hypervisor\""));
}

TEST_CASE("chronyd: an image without one goes without, and does not look for it again") {
  House house("");
  house.settings.program = "/no/such/chronyd";
  house.start();
  house.loop.run_until([&] { return house.group.size() == 0; });
  CHECK(house.log.lines() == 1);
  CHECK(house.log.has("/no/such/chronyd"));
}

TEST_CASE("chronyd: where its file cannot be written, or is a link to another, it is not started") {
  House house("");
  house.settings.config = house.dir / "none/chronyd.conf";
  house.start();
  house.loop.run_until([&] { return house.group.size() == 0; });
  test::put_file(house.dir / "other", "mine");
  house.settings.config = house.dir / "link";
  REQUIRE(::symlink((house.dir / "other").c_str(), house.settings.config.c_str()) == 0);
  house.start();
  house.loop.run_until([&] { return house.group.size() == 0; });
  CHECK(test::get_file(house.dir / "other") == "mine");
  CHECK(house.count() == 0);
}

}  // namespace gcs::testing
