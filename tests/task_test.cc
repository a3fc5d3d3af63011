// Tasks, groups, conditions, the clock and the offload threads, with a clock moved by hand.

#include <doctest/doctest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <set>
#include <stdexcept>
#include <thread>

#include "stdio/io/deadline.h"
#include "stdio/io/offload.h"
#include "tests/support/gate.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"

namespace gcs::testing {
using namespace gcs::io;
using namespace std::chrono_literals;

namespace {

Task<> wait_for(Condition& condition, const bool& flag) {
  auto set = [&flag] { return flag; };
  co_await condition.wait(set);
}

Task<bool> wait_at_most(Condition& condition, Clock& clock, Clock::TimePoint until, const bool& flag) {
  auto set = [&flag] { return flag; };
  co_return co_await condition.wait_until(clock, until, set);
}

template <class What>
Task<> fail_with(What what) {
  throw what;
  co_return;
}

Task<Result<int>> never(Condition& condition) {
  auto no = [] { return false; };
  co_await condition.wait(no);
  co_return 0;
}

/// Clean-up that must be done, with a bounded wait on the way that a cancellation cuts short.
Task<> clean_up(Loop& loop, Condition& gate, const bool& open, Errc& told, bool& cleaned) {
  co_await ignore_cancellation();
  Condition nothing(loop.executor(), "nothing");
  const auto deadline = loop.clock().now() + 1h;
  const auto ended = co_await with_deadline<int>(loop.executor(), loop.clock(), deadline, "inner", never(nothing));
  told = ended ? Errc::internal : ended.error().code();
  co_await wait_for(gate, open);
  cleaned = true;
}

/// Says when it is destroyed.
class Mark {
 public:
  explicit Mark(std::shared_ptr<std::atomic<bool>> destroyed) : destroyed_(std::move(destroyed)) {}
  Mark(Mark&&) = default;
  Mark& operator=(Mark&&) = default;
  ~Mark() {
    if (destroyed_ != nullptr) *destroyed_ = true;
  }

 private:
  std::shared_ptr<std::atomic<bool>> destroyed_;
};

/// Descriptor 2 goes to a file while it lives.
class CapturedLog {
 public:
  CapturedLog() : before_(::dup(2)), file_(::memfd_create("log", MFD_CLOEXEC)) { ::dup2(file_.get(), 2); }
  ~CapturedLog() { ::dup2(before_.get(), 2); }
  CapturedLog(const CapturedLog&) = delete;
  CapturedLog& operator=(const CapturedLog&) = delete;

  std::string text() const { return *read_file("/proc/self/fd/" + std::to_string(file_.get())); }

 private:
  Fd before_;
  Fd file_;
};

}  // namespace

TEST_CASE("condition: a wake-up without the predicate leaves the task waiting") {
  Loop loop;
  Condition condition(loop.executor(), "test");
  bool flag = false;
  auto waiting = loop.start(wait_for(condition, flag));
  loop.settle();
  condition.notify_all();
  loop.settle();
  CHECK_FALSE(waiting.done());
  flag = true;
  condition.notify_all();
  loop.settle();
  CHECK(waiting.done());
}

TEST_CASE("condition: a deadline ends the wait and says that the predicate did not hold") {
  Loop loop;
  ManualClock clock;
  Condition condition(loop.executor(), "test");
  bool flag = false;
  auto waiting = loop.start(wait_at_most(condition, clock, clock.now() + 100ms, flag));
  loop.settle();
  clock.advance(99ms);
  loop.settle();
  CHECK_FALSE(waiting.done());
  clock.advance(1ms);
  loop.settle();
  REQUIRE(waiting.done());
  CHECK_FALSE(waiting.value());
}

TEST_CASE("task group: cancel ends a waiting task, and join returns once it is gone") {
  Loop loop;
  Condition condition(loop.executor(), "test");
  const bool never = false;
  TaskGroup group(loop.executor());
  group.spawn("waiter", wait_for(condition, never));
  loop.settle();
  CHECK(group.size() == 1);
  auto joined = loop.start(group.join());
  loop.settle();
  CHECK_FALSE(joined.done());
  group.cancel();
  loop.settle();
  CHECK(joined.done());
  CHECK(group.size() == 0);
}

TEST_CASE("task group: a task cancelled before its first turn never starts to wait") {
  Loop loop;
  Condition condition(loop.executor(), "test");
  const bool never = false;
  TaskGroup group(loop.executor());
  group.spawn("waiter", wait_for(condition, never));
  group.cancel();
  loop.settle();
  CHECK(group.size() == 0);
  CHECK_FALSE(condition.has_waiters());
}

TEST_CASE("task group: an exception, of whatever type, is logged and ends its own task only") {
  Loop loop;
  Condition condition(loop.executor(), "test");
  bool flag = false;
  TaskGroup group(loop.executor());
  group.spawn("waiter", wait_for(condition, flag));
  std::string logged;
  {
    const CapturedLog captured;
    group.spawn("failing", fail_with(std::runtime_error("a bug")));
    group.spawn("failing oddly", fail_with(42));
    loop.settle();
    logged = captured.text();
  }
  CHECK(logged.find("task=\"failing\"") != std::string::npos);
  CHECK(logged.find("task=\"failing oddly\"") != std::string::npos);
  CHECK(group.size() == 1);
  flag = true;
  condition.notify_all();
  loop.settle();
  CHECK(group.size() == 0);
}

TEST_CASE("cancellation: a section that ignores it inside another one ends only itself") {
  Loop loop;
  Condition gate(loop.executor(), "test");
  bool open = false;
  Errc told = Errc::internal;
  bool cleaned = false;
  TaskGroup group(loop.executor());
  group.spawn("cleaning", clean_up(loop, gate, open, told, cleaned));
  loop.settle();
  group.cancel();
  loop.settle();
  CHECK(told == Errc::timed_out);
  CHECK_FALSE(cleaned);
  REQUIRE(group.size() == 1);
  open = true;
  gate.notify_all();
  loop.settle();
  CHECK(cleaned);
  CHECK(group.size() == 0);
}

TEST_CASE("task list: every live task is named with what it awaits") {
  Loop loop;
  Condition condition(loop.executor(), "a refill");
  const bool never = false;
  TaskGroup group(loop.executor());
  group.spawn("relay of c1", wait_for(condition, never));
  loop.settle();
  const auto lines = live_tasks();
  CHECK(std::count(lines.begin(), lines.end(), "relay of c1: a refill") == 1);
  group.cancel();
  loop.settle();
  const auto after = live_tasks();
  CHECK(std::count(after.begin(), after.end(), "relay of c1: a refill") == 0);
}

TEST_CASE("clock: sleep_until returns when its time has come, and not before") {
  Loop loop;
  ManualClock clock;
  auto sleeping = loop.start(sleep_until(loop.executor(), clock, clock.now() + 1s));
  loop.settle();
  clock.advance(999ms);
  loop.settle();
  CHECK_FALSE(sleeping.done());
  clock.advance(1ms);
  loop.settle();
  CHECK(sleeping.done());
}

TEST_CASE("offload: a job runs on another thread and its value comes back to the loop") {
  Loop loop;
  Offload offload(loop.executor(), loop.clock());
  const auto here = std::this_thread::get_id();
  std::function<Result<int>()> job = [here]() -> Result<int> { return std::this_thread::get_id() == here ? 0 : 42; };
  const auto value = loop.run(offload.call<int>(job));
  REQUIRE(value);
  CHECK(*value == 42);
}

TEST_CASE("offload: more jobs than threads all run") {
  Loop loop;
  Offload offload(loop.executor(), loop.clock());
  std::vector<Running<Result<int>>> running;
  for (int i = 0; i < 50; ++i) {
    std::function<Result<int>()> job = [i]() -> Result<int> { return i; };
    running.push_back(loop.start(offload.call<int>(job)));
  }
  loop.run_until([&] { return std::all_of(running.begin(), running.end(), [](auto& r) { return r.done(); }); });
  for (int i = 0; i < 50; ++i) CHECK(*running[static_cast<size_t>(i)].value() == i);
}

TEST_CASE("offload: threads that have ended are given back, stack and all") {
  Loop loop;
  Offload offload(loop.executor(), loop.clock(), 0ms);
  std::set<std::string> stacks;  // mappings: a thread that nobody joined keeps its stack
  std::function<Result<int>()> job = [&stacks]() -> Result<int> {
    int here = 0;
    stacks.insert(std::to_string(reinterpret_cast<uintptr_t>(&here) >> 20));
    return here;
  };
  auto threads = [] {
    const std::filesystem::directory_iterator tasks("/proc/self/task");
    return std::distance(begin(tasks), end(tasks));
  };
  const auto before = threads();  // a sanitizer may have one of its own
  for (int i = 0; i < 100; ++i) {
    REQUIRE(loop.run(offload.call<int>(job)));
    while (threads() != before) std::this_thread::yield();
  }
  CHECK(stacks.size() < 10);
}

TEST_CASE("offload: a job that hangs is given up at its limit, and what it gives later goes nowhere") {
  Loop loop;
  ManualClock clock;
  Gate gate;
  const auto destroyed = std::make_shared<std::atomic<bool>>(false);
  {
    Offload offload(loop.executor(), clock);
    auto hanging = loop.start(offload.call<Mark>(gate.job<Mark>(destroyed), 10s));
    loop.settle();
    gate.wait_for(1);
    clock.advance(9s);
    loop.settle();
    CHECK_FALSE(hanging.done());
    clock.advance(1s);
    loop.settle();
    REQUIRE(hanging.done());
    CHECK(hanging.value().error().code() == Errc::timed_out);
    CHECK_FALSE(*destroyed);
    gate.open();
    loop.run_until([&] { return destroyed->load(); });
  }
}

TEST_CASE("offload: hung jobs do not keep others from running, until too many hang; then calls fail at once") {
  Loop loop;
  ManualClock clock;
  Gate gate;
  Offload offload(loop.executor(), clock);
  std::vector<Running<Result<int>>> hanging;
  for (unsigned i = 0; i < Offload::kThreads + Offload::kHung; ++i) {
    CAPTURE(i);
    std::function<Result<int>()> quick = []() -> Result<int> { return 42; };
    const auto value = loop.run(offload.call<int>(quick));
    REQUIRE(value);
    hanging.push_back(loop.start(offload.call<int>(gate.job<int>(0), 10s)));
    loop.settle();
    gate.wait_for(i + 1);
    clock.advance(10s);
    loop.settle();
    REQUIRE(hanging.back().done());
  }
  std::function<Result<int>()> refused = []() -> Result<int> { return 42; };
  auto call = loop.start(offload.call<int>(refused));
  loop.settle();
  REQUIRE(call.done());
  CHECK(call.value().error().code() == Errc::exhausted);
  gate.open();
  loop.run_until([&] {
    std::function<Result<int>()> again = []() -> Result<int> { return 42; };
    return loop.run(offload.call<int>(again)).has_value();
  });
}

TEST_CASE("offload: a job whose turn does not come in time is given up, and never runs") {
  Loop loop;
  ManualClock clock;
  Gate gate;
  Offload offload(loop.executor(), clock);
  std::vector<Running<Result<int>>> running;
  for (unsigned i = 0; i < Offload::kThreads; ++i)
    running.push_back(loop.start(offload.call<int>(gate.job<int>(0), 1h)));
  loop.settle();
  gate.wait_for(Offload::kThreads);
  std::atomic<bool> ran = false;
  std::function<Result<int>()> late = [&ran]() -> Result<int> { return ran = true, 0; };
  auto queued = loop.start(offload.call<int>(late, 10s));
  loop.settle();
  clock.advance(10s);
  loop.settle();
  REQUIRE(queued.done());
  CHECK(queued.value().error().code() == Errc::exhausted);  // and not one that may be at work still
  gate.open();
  loop.run_until([&] { return std::all_of(running.begin(), running.end(), [](auto& r) { return r.done(); }); });
  CHECK(loop.run(offload.call<int>([]() -> Result<int> { return 0; })));
  CHECK_FALSE(ran);
}

TEST_CASE("offload: what hangs does not keep the owner from going") {
  Loop loop;
  ManualClock clock;
  Gate gate;
  {
    Offload offload(loop.executor(), clock);
    auto hanging = loop.start(offload.call<int>(gate.job<int>(0), 10s));
    loop.settle();
    gate.wait_for(1);
    clock.advance(10s);
    loop.settle();
    REQUIRE(hanging.done());
  }
  gate.open();
  gate.wait_until_left();
}

TEST_CASE("offload: a job that was given up is taken back when it ends after all, and what it held is let go then") {
  Loop loop;
  ManualClock clock;
  Gate gate;
  Offload offload(loop.executor(), clock);
  auto held = std::make_shared<const int>(0);
  const std::weak_ptr<const int> watched = held;
  const auto taken_back = std::make_shared<std::atomic<int>>(0);
  Offload::TakeBack<int> take_back = [taken_back](const Result<int>& gave) { *taken_back = *gave; };
  auto hanging = loop.start(offload.call<int>(gate.job<int>(7), 10s, take_back, std::move(held)));
  loop.settle();
  gate.wait_for(1);
  clock.advance(10s);
  loop.settle();
  REQUIRE(hanging.done());
  CHECK(hanging.value().error().code() == Errc::timed_out);
  CHECK(*taken_back == 0);
  CHECK_FALSE(watched.expired());
  gate.open();
  loop.run_until([&] { return watched.expired(); });
  CHECK(*taken_back == 7);
}

TEST_CASE("offload: a job that ends in time is not taken back, and lets go of what it held") {
  Loop loop;
  ManualClock clock;
  Offload offload(loop.executor(), clock);
  auto held = std::make_shared<const int>(0);
  const std::weak_ptr<const int> watched = held;
  const auto taken_back = std::make_shared<std::atomic<bool>>(false);
  Offload::TakeBack<int> take_back = [taken_back](const Result<int>&) { *taken_back = true; };
  std::function<Result<int>()> job = []() -> Result<int> { return 42; };
  CHECK(*loop.run(offload.call<int>(job, 10s, take_back, std::move(held))) == 42);
  loop.settle();
  CHECK(watched.expired());
  CHECK_FALSE(*taken_back);
}

TEST_CASE("offload: what a job that was given up holds goes with the owner, on the loop's thread") {
  Loop loop;
  ManualClock clock;
  Gate gate;
  std::thread::id let_go_on;
  const auto note = [&let_go_on](const int* value) {
    let_go_on = std::this_thread::get_id();
    delete value;
  };
  {
    Offload offload(loop.executor(), clock);
    std::shared_ptr<const int> held(new int(0), note);
    auto hanging = loop.start(offload.call<int>(gate.job<int>(0), 10s, nullptr, std::move(held)));
    loop.settle();
    gate.wait_for(1);
    clock.advance(10s);
    loop.settle();
    REQUIRE(hanging.done());
    CHECK(let_go_on == std::thread::id());
  }
  CHECK(let_go_on == std::this_thread::get_id());
}

TEST_CASE("offload: jobs with a long limit hold others up no longer than those with the usual one") {
  Loop loop;
  ManualClock clock;
  Gate gate;
  Offload offload(loop.executor(), clock);
  std::vector<Running<Result<int>>> slow;
  for (unsigned i = 0; i < Offload::kThreads; ++i)
    slow.push_back(loop.start(offload.call<int>(gate.job<int>(1), Offload::kLongLimit)));
  loop.settle();
  gate.wait_for(Offload::kThreads);
  std::function<Result<int>()> quick = []() -> Result<int> { return 42; };
  auto next = loop.start(offload.call<int>(quick, Offload::kLongLimit));
  loop.settle();
  CHECK_FALSE(next.done());
  clock.advance(Offload::kLimit);
  loop.run_until([&] { return next.done(); });
  CHECK(*next.value() == 42);
  for (auto& one : slow) CHECK_FALSE(one.done());
  gate.open();
  loop.run_until([&] { return std::all_of(slow.begin(), slow.end(), [](auto& one) { return one.done(); }); });
  for (auto& one : slow) CHECK(*one.value() == 1);
}

TEST_CASE("offload: slow jobs that had to wait for their turn are replaced as well") {
  Loop loop;
  ManualClock clock;
  Gate gate;
  Offload offload(loop.executor(), clock);
  std::vector<Running<Result<int>>> slow;
  for (unsigned i = 0; i < 2 * Offload::kThreads; ++i)
    slow.push_back(loop.start(offload.call<int>(gate.job<int>(1), Offload::kLongLimit)));
  std::function<Result<int>()> quick = []() -> Result<int> { return 42; };
  auto next = loop.start(offload.call<int>(quick, Offload::kLongLimit));
  loop.settle();
  gate.wait_for(Offload::kThreads);
  clock.advance(Offload::kLimit);
  gate.wait_for(2 * Offload::kThreads);
  CHECK_FALSE(next.done());
  clock.advance(Offload::kLimit);
  loop.run_until([&] { return next.done(); });
  CHECK(*next.value() == 42);
  gate.open();
  loop.run_until([&] { return std::all_of(slow.begin(), slow.end(), [](auto& one) { return one.done(); }); });
}

TEST_CASE("error: what a vanished host makes of an errno is disconnected, row by row") {
  for (const int gone : {EPIPE, ECONNRESET, ENOTCONN, ECONNREFUSED, ETIMEDOUT, ENODEV, EALREADY}) {
    CAPTURE(gone);
    CHECK(errc_of(gone) == Errc::disconnected);
  }
  for (const int gone : {ENOMEM, ENODEV, ENOTCONN}) CHECK(conn_error("send", gone).code() == Errc::disconnected);
  CHECK(errc_of(ENOENT) == Errc::not_found);
  CHECK(errc_of(ESRCH) == Errc::process_not_found);
  CHECK(errc_of(EEXIST) == Errc::already_exists);
  CHECK(errc_of(EMFILE) == Errc::exhausted);
  CHECK(conn_error("send", ECANCELED).code() == Errc::internal);
}

}  // namespace gcs::testing
