#include "runtime/cgroup_events.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "runtime/memory_watch.h"
#include "runtime/pods_memory.h"
#include "tests/support/captured_log.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace gcs::runtime;
using namespace gcs::test;
using Version = Cgroups::Version;

/// For some task of the loop.
bool helper_works() {
  return std::ranges::any_of(io::live_tasks(), [](const std::string& task) { return task.ends_with(": offload"); });
}

/// A cgroup of version 2 whose files are a disk's: inotify tells of their changes as it does of the kernel's.
struct FakeV2 {
  TempDir dir;
  Cgroups cgroups{dir.path(), Version::v2};
  Loop loop;
  io::Offload offload{loop.executor(), loop.clock()};

  FakeV2() {
    put_file(dir / "c/cgroup.procs", "");
    put_file(dir / "c/memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 3\n");
    put_file(dir / "c/memory.current", "100\n");
    put_file(dir / "c/memory.high", "max\n");
  }

  void say(const std::string& events) { REQUIRE(io::write_file(dir / "c/memory.events", events)); }

  /// Whoever opens it from now on waits for somebody at its other end.
  void make_slow(const std::string& file) {
    std::filesystem::remove(dir / file);
    REQUIRE(::mkfifo((dir / file).c_str(), 0600) == 0);
  }

  /// The loop runs while a helper thread waits.
  void see_helper_wait() { loop.run_until(helper_works); }

  /// Lets those who wait for the file go on: it takes all, and has nothing.
  void answer(const std::string& file, int flags) {
    io::Fd end;
    const auto opened = [&] {
      end = io::Fd(::open((dir / file).c_str(), flags | O_NONBLOCK | O_CLOEXEC));
      return static_cast<bool>(end);  // to write: once somebody reads
    };
    loop.look_until(opened);
    ends.push_back(std::move(end));
  }

  std::vector<io::Fd> ends;
};

/// Uses up memory in `cgroup` until it is killed, or has `bytes`; then waits to be killed.
pid_t eat(const Cgroups& cgroups, const std::string& cgroup, size_t bytes) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child != 0) return child;
  if (!cgroups.join(cgroup)) ::_exit(1);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) ::_exit(2);
  std::memset(memory, 1, bytes);
  for (;;) ::pause();
}

/// A cgroup of this machine with a limit; its processes are killed at the end.
struct RealCgroup {
  Cgroups cgroups = *Cgroups::find();
  std::string path = "/gcs-test-events-" + std::to_string(::getpid());
  pid_t child = 0;
  Loop loop;
  io::Offload offload{loop.executor(), loop.clock()};

  bool has_memory() const { return exists(cgroups.directory("memory", "") + "/cgroup.procs"); }
  ~RealCgroup() {
    if (child > 0) {
      ::kill(child, SIGKILL);
      ::waitpid(child, nullptr, 0);
    }
    CHECK(cgroups.remove(path));
  }
};

constexpr uint64_t kMiB = 1 << 20;

}  // namespace

TEST_CASE("memory events: a line's number is found by its whole name") {
  const char* text = "low 1\noom 2\noom_kill 34\noom_group_kill 5\n";
  CHECK(counter_in(text, "oom") == 2);
  CHECK(counter_in(text, "oom_kill") == 34);
  CHECK(counter_in(text, "kill") == 0);
  CHECK(counter_in("oom_kill", "oom_kill") == 0);
}

TEST_CASE("memory events: on version 2 kills are counted from the watch's begin, other news passes") {
  FakeV2 fake;
  auto events = MemoryEvents::oom(fake.cgroups, "/c");
  REQUIRE_MESSAGE(events, events.error().message());
  auto next = fake.loop.start(events->next(fake.loop.engine(), fake.offload));
  fake.say("high 7\noom_kill 3\n");
  fake.loop.settle();
  CHECK_FALSE(next.done());
  fake.say("high 7\noom_kill 5\n");
  fake.loop.run_until([&] { return next.done(); });
  CHECK(*next.value() == 2);
}

TEST_CASE("memory events: on version 2 a crossed threshold is lifted at once, and set again below it") {
  FakeV2 fake;
  auto events = MemoryEvents::above(fake.cgroups, "/c", 500);
  REQUIRE_MESSAGE(events, events.error().message());
  CHECK(get_file(fake.dir / "c/memory.high").starts_with("500"));
  CHECK_FALSE(events->is_spent());
  fake.say("high 1\n");
  CHECK(*fake.loop.run(events->next(fake.loop.engine(), fake.offload)) == 1);
  CHECK(get_file(fake.dir / "c/memory.high").starts_with("max"));
  CHECK(events->is_spent());
  put_file(fake.dir / "c/memory.current", "500\n");
  REQUIRE(fake.loop.run(events->rearm(fake.offload)));
  CHECK(events->is_spent());
  put_file(fake.dir / "c/memory.current", "499\n");
  REQUIRE(fake.loop.run(events->rearm(fake.offload)));
  CHECK_FALSE(events->is_spent());
  CHECK(get_file(fake.dir / "c/memory.high").starts_with("500"));
}

TEST_CASE("memory watch: while the kernel is slow with a cgroup's files, the loop goes on") {
  FakeV2 fake;
  const CapturedLog log;
  ManualClock clock;
  auto events = MemoryEvents::above(fake.cgroups, "/c", 500);
  REQUIRE_MESSAGE(events, events.error().message());
  fake.make_slow("c/memory.high");
  fake.make_slow("c/memory.stat");
  MemoryWatchContext context{fake.loop.engine(), clock, fake.offload, fake.cgroups};
  fake.loop.group().spawn("watch", report_memory(context, {"/c", "", 500}, std::move(*events)));
  fake.say("high 1\n");
  fake.see_helper_wait();  // to lift the threshold
  fake.answer("c/memory.high", O_RDONLY);
  fake.see_helper_wait();  // for the figures of the report
  CHECK_FALSE(log.has("exceeded threshold"));
  fake.answer("c/memory.stat", O_WRONLY);
  fake.ends.clear();
  fake.loop.run_until([&] { return log.has("exceeded threshold"); });
  clock.advance(std::chrono::seconds(1));
  fake.loop.settle();
  clock.advance(std::chrono::seconds(60));
  fake.see_helper_wait();  // to set the threshold again
  fake.answer("c/memory.high", O_RDONLY);
}

TEST_CASE("memory events: without a memory controller there are none") {
  const TempDir dir;
  put_dir(dir / "pids");
  const auto cgroups = Cgroups::find(dir.path());
  REQUIRE(cgroups);
  CHECK(MemoryEvents::oom(*cgroups, "/c").error().code() == Errc::unsupported);
}

TEST_CASE("memory events: on this machine a process beyond the limit is told of") {
  RealCgroup real;
  REQUIRE(real.cgroups.create(real.path));
  if (!real.has_memory()) {
    MESSAGE("skipped: this machine has no memory cgroups");
    return;
  }
  REQUIRE(real.cgroups.set_memory_limit(real.path, 8 * kMiB));
  auto events = MemoryEvents::oom(real.cgroups, real.path);
  REQUIRE_MESSAGE(events, events.error().message());
  real.child = eat(real.cgroups, real.path, 64 * kMiB);
  const auto count = real.loop.run(events->next(real.loop.engine(), real.offload));
  REQUIRE_MESSAGE(count, count.error().message());
  CHECK(*count >= 1);
}

TEST_CASE("memory events: on this machine a crossed threshold is told of") {
  RealCgroup real;
  REQUIRE(real.cgroups.create(real.path));
  if (!real.has_memory()) {
    MESSAGE("skipped: this machine has no memory cgroups");
    return;
  }
  auto events = MemoryEvents::above(real.cgroups, real.path, 8 * kMiB);
  REQUIRE_MESSAGE(events, events.error().message());
  real.child = eat(real.cgroups, real.path, 16 * kMiB);
  const auto count = real.loop.run(events->next(real.loop.engine(), real.offload));
  REQUIRE_MESSAGE(count, count.error().message());
  CHECK(*count >= 1);
}

TEST_CASE("memory of pods: the limit follows the machine's memory when asked, and is written only where it changes") {
  const TempDir dir;
  put_file(dir / "pods/memory.max", "max\n");
  const Cgroups cgroups(dir.path(), Version::v2);
  Loop loop;
  io::Offload offload(loop.executor(), loop.clock());
  uint64_t total = 100 * kMiB;
  PodsMemory memory(cgroups, 30 * kMiB, offload, loop.clock(), [&] { return total; });
  REQUIRE(loop.run(memory.refresh()));
  CHECK(get_file(dir / "pods/memory.max").starts_with(std::to_string(70 * kMiB)));
  total = 200 * kMiB;
  REQUIRE(loop.run(memory.refresh()));
  CHECK(get_file(dir / "pods/memory.max").starts_with(std::to_string(170 * kMiB)));
  put_file(dir / "pods/memory.max", std::to_string(170 * kMiB) + " as it was");
  REQUIRE(loop.run(memory.refresh()));
  CHECK(get_file(dir / "pods/memory.max").ends_with(" as it was"));
  total = 30 * kMiB;
  const auto nothing_left = loop.run(memory.refresh());
  REQUIRE_FALSE(nothing_left);
  CHECK(nothing_left.error().code() == Errc::exhausted);
}

TEST_CASE("memory of pods: the limit is looked at each minute, and one that cannot be set ends nothing") {
  const TempDir dir;
  const CapturedLog log;
  put_file(dir / "pods/memory.max", "max\n");
  const Cgroups cgroups(dir.path(), Version::v2);
  Loop loop;
  ManualClock clock;
  io::Offload offload(loop.executor(), loop.clock());
  uint64_t total = 30 * kMiB;
  PodsMemory memory(cgroups, 30 * kMiB, offload, clock, [&] { return total; });
  const auto is = [&](uint64_t limit) { return get_file(dir / "pods/memory.max").starts_with(std::to_string(limit)); };
  const auto running = loop.group().spawn("memory of pods", memory.run(loop.executor()));
  loop.settle();
  CHECK(log.has("memory limit of pods not refreshed"));
  for (const uint64_t more : {100, 200}) {
    total = more * kMiB;
    clock.advance(std::chrono::seconds(59));
    loop.settle();
    CHECK_FALSE(is(total - 30 * kMiB));
    clock.advance(std::chrono::seconds(1));
    loop.run_until([&] { return is(total - 30 * kMiB) && !helper_works(); });
  }
  loop.group().cancel(running);
  loop.settle();
}

}  // namespace gcs::testing
