// The kernel's log: what a record is, which of them become ours, and that reading them holds up nobody.

#include "gcs/kernel_log.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include "gcs/vm_generation.h"
#include "tests/support/captured_log.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace std::chrono_literals;
using test::TempDir;

struct Seen {
  std::string text;
  bool fresh;
  bool operator==(const Seen&) const = default;
};

// A log in the place of the kernel's: a pipe that keeps records apart, and errors that come before them.
int log_end = -1;
std::vector<int> errors;

const KernelLog kPipe{
    []() -> Result<io::Fd> {
      int ends[2];
      REQUIRE(::pipe2(ends, O_DIRECT | O_NONBLOCK | O_CLOEXEC) == 0);
      log_end = ends[1];
      return io::Fd(ends[0]);
    },
    [](int fd, void* to, size_t size) -> ssize_t {
      if (errors.empty()) return ::read(fd, to, size);
      errno = errors.back();
      errors.pop_back();
      return -1;
    },
};

void add(const std::string& record) {
  REQUIRE(::write(log_end, record.data(), record.size()) == static_cast<ssize_t>(record.size()));
}

struct House {
  House() { errors.clear(); }
  ~House() {
    group.cancel();
    loop.run(group.join());
    if (log_end >= 0) ::close(std::exchange(log_end, -1));
  }

  void read(const KernelLog& log = kPipe) {
    group.spawn("kernel log",
                read_kernel_log(loop.engine(), clock, log, [this](const KernelRecord& record, bool fresh) {
                  seen.push_back({std::string(record.text), fresh});
                }));
  }

  Loop loop;
  ManualClock clock;
  std::vector<Seen> seen;
  io::TaskGroup group{loop.executor()};
};

}  // namespace

TEST_CASE("kernel log: a record is its numbers, its flags and its text") {
  struct Row {
    const char* record;
    unsigned priority;
    unsigned facility;
    uint64_t number;
    uint64_t time;
    const char* flags;
    const char* text;
  };
  constexpr Row kRows[] = {
      {"4,339,5140900,-;usb 1-1: no power\n", 4, 0, 339, 5140900, "-", "usb 1-1: no power"},
      {"0,0,0,c;\n", 0, 0, 0, 0, "c", ""},
      {"30,1,2,-,caller=T1;systemd[1]: hello\n", 6, 3, 1, 2, "-", "systemd[1]: hello"},
      {"15,18446744073709551615,18446744073709551615,-;a;b,c\n", 7, 1, UINT64_MAX, UINT64_MAX, "-", "a;b,c"},
      {"3,7,8,-;broken\n SUBSYSTEM=net\n DEVICE=n2\n", 3, 0, 7, 8, "-", "broken\n SUBSYSTEM=net\n DEVICE=n2"},
      {"5,7,8,-;no end", 5, 0, 7, 8, "-", "no end"},
  };
  for (const Row& row : kRows) {
    CAPTURE(row.record);
    const auto record = parse_kernel_record(row.record);
    REQUIRE(record);
    CHECK(record->priority == row.priority);
    CHECK(record->facility == row.facility);
    CHECK(record->number == row.number);
    CHECK(record->time_us == row.time);
    CHECK(record->flags == row.flags);
    CHECK(record->text == row.text);
  }
}

TEST_CASE("kernel log: what is no record is none") {
  for (const char* other :
       {"", ";", ",", "5", "5;x\n", "5,1;x\n", "5,1,2;x\n", "x,339,5140900,-;x\n", "-5,1,2,-;x\n", "5 ,1,2,-;x\n",
        "99999999999,339,5140900,-;x\n", "5,18446744073709551616,2,-;x\n", "5,1,2,- no semicolon\n"}) {
    CAPTURE(other);
    CHECK_FALSE(parse_kernel_record(other));
  }
}

TEST_CASE("kernel log: only the kernel's own line tells of a generation") {
  auto tells = [](const char* text) {
    const auto record = parse_kernel_record(text);
    return record && is_new_generation(*record);
  };
  CHECK(tells("5,339,5140900,-;random: crng reseeded due to virtual machine fork\n"));
  CHECK(tells("5,339,5140900,-,caller=T1;random: crng reseeded due to virtual machine fork\n SUBSYSTEM=x\n"));
  for (const char* other : {
           "13,339,5140900,-;random: crng reseeded due to virtual machine fork\n",  // a program's
           "5,339,5140900,-;random: crng init done\n",
           "5,339,5140900,-;x\n random: crng reseeded due to virtual machine fork\n",
       }) {
    CHECK_FALSE(tells(other));
  }
}

TEST_CASE("kernel log: records of the flag's priority and graver ones are reported, with all their parts") {
  CapturedLog log(log::Format::json);
  for (unsigned priority = 0; priority < 8; ++priority) {
    const std::string text =
        std::to_string(8 + priority) + ",17,99,-;\"text\" " + std::to_string(priority) + "\n K=V\n";
    report_kernel_record(*parse_kernel_record(text), 4);
  }
  CHECK(log.lines() == 5);
  CHECK(log.has(R"("level":"info","msg":"kmsg read","priority":"Emerg","facility":1,"seq":17,"timesincebootmicro":99,)"
                R"("flags":"-","message":"\"text\" 0\n K=V"})"));
  for (const char* name : {"Alert", "Crit", "Err", "Warning"}) CHECK(log.has(name));
  report_kernel_record(*parse_kernel_record("7,1,1,-;debug\n"), 7);
  CHECK(log.has("Debug"));
}

TEST_CASE("kernel log: what was there before is told apart from what comes") {
  House house;
  const KernelLog full{[]() -> Result<io::Fd> {
                         auto fd = kPipe.open();
                         add("4,1,1,-;old\n");
                         return fd;
                       },
                       kPipe.read};
  house.read(full);
  house.loop.run_until([&] { return house.seen.size() == 1; });
  house.loop.settle();
  add("4,2,2,-;new\n");
  house.loop.run_until([&] { return house.seen.size() == 2; });
  CHECK(house.seen == std::vector<Seen>{{"old", false}, {"new", true}});
}

TEST_CASE("kernel log: overwritten and overlong records, interruptions and rubbish are passed over") {
  CapturedLog log;
  House house;
  errors = {EAGAIN, EINTR, EINVAL, EPIPE, EPIPE};
  house.read();
  house.loop.settle();
  add("rubbish\n");
  add("4,1,1,-;after\n");
  house.loop.run_until([&] { return !house.seen.empty(); });
  CHECK(house.seen == std::vector<Seen>{{"after", true}});
  CHECK(log.has("overwritten before they were read"));
}

TEST_CASE("kernel log: a flood is read in batches, with a pause after each") {
  House house;
  const KernelLog endless{kPipe.open, [](int, void* to, size_t) -> ssize_t {
                            constexpr std::string_view kRecord = "4,1,1,-;x\n";
                            kRecord.copy(static_cast<char*>(to), kRecord.size());
                            return kRecord.size();
                          }};
  house.read(endless);
  house.loop.settle();
  CHECK(house.seen.size() == 64);
  house.clock.advance(9ms);
  house.loop.settle();
  CHECK(house.seen.size() == 64);
  house.clock.advance(1ms);
  house.loop.settle();
  CHECK(house.seen.size() == 128);
}

TEST_CASE("kernel log: one that cannot be opened or read is a line in ours, and the end of reading") {
  CapturedLog log;
  House house;
  house.read(KernelLog{[]() -> Result<io::Fd> { return sys_error("open", EPERM); }, ::read});
  house.loop.run_until([&] { return house.group.size() == 0; });
  CHECK(log.has("Operation not permitted"));
  errors = {EIO};
  house.read();
  house.loop.run_until([&] { return house.group.size() == 0; });
  CHECK(log.has("Input/output error"));
}

TEST_CASE("kernel log: a log of ours that goes to the kernel's is known for it") {
  TempDir dir;
  test::put_file(dir / "log", "");
  CHECK_FALSE(feeds_kernel_log(-1));
  CHECK_FALSE(feeds_kernel_log(io::open_file(dir / "log", O_WRONLY)->get()));
  CHECK_FALSE(feeds_kernel_log(io::open_file("/dev/null", O_WRONLY)->get()));
  const auto kmsg = io::open_file("/dev/kmsg", O_WRONLY);
  if (!kmsg) {
    MESSAGE("left out: no right to open /dev/kmsg");
    return;
  }
  CHECK(feeds_kernel_log(kmsg->get()));
}

TEST_CASE("kernel log: the real one is read on both engines, and that can be cancelled while it waits") {
  if (!kKernelLog.open()) {
    MESSAGE("left out: no right to open /dev/kmsg");
    return;
  }
  for (const auto kind : {io::EngineKind::uring, io::EngineKind::epoll}) {
    Loop loop(kind);
    uint64_t seen = 0;
    io::TaskGroup group(loop.executor());
    const KernelRecordCall count = [&seen](const KernelRecord&, bool) { ++seen; };
    group.spawn("kernel log", read_kernel_log(loop.engine(), loop.clock(), kKernelLog, count));
    loop.run_until([&seen] { return seen > 0; });
    loop.settle();
    group.cancel();
    loop.run(group.join());
  }
}

}  // namespace gcs::testing
