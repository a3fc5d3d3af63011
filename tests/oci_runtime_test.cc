// The OCI runtime as a program that may be missing, hang or talk nonsense; and the reaper, which collects what it
// leaves.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <filesystem>

#include "runtime/oci_cli.h"
#include "runtime/sealed_program.h"
#include "tests/support/loop.h"
#include "tests/support/manual_clock.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace std::chrono_literals;
using test::TempDir;

/// Drives a shell script in the place of crun; $bundle stands for a directory.
struct Bench {
  explicit Bench(const std::string& script, std::chrono::milliseconds limit = 20s) {
    test::put_file(dir / "runtime", "#!/bin/sh\n" + script);
    REQUIRE(::chmod((dir / "runtime").c_str(), 0755) == 0);
    test::put_dir(dir / "bundle");
    use(dir / "runtime", limit);
    REQUIRE(reaper.start());
    reaping.emplace(loop.start(reaper.run()));
  }
  ~Bench() {
    loop.group().cancel();
    loop.run_until([this] { return reaping->done(); });
  }

  void use(const std::string& binary, std::chrono::milliseconds limit) { use(binary, limit, loop.clock()); }
  void use(const std::string& binary, std::chrono::milliseconds limit, io::Clock& clock) {
    runtime::OciCliSettings settings;
    settings.binary = binary;
    settings.scratch_dir = dir / "scratch";
    settings.time_limit = limit;
    oci = runtime::make_oci_cli(reaper, loop.engine(), clock, offload, settings);
  }

  Result<runtime::StartedProcess> create(bool terminal = false) {
    runtime::ContainerStdio stdio;
    stdio.terminal = terminal;
    return loop.run(oci->create("c1", dir / "bundle", stdio));
  }

  Result<runtime::ChildPtr> spawn(const runtime::Command& command) {
    return loop.run(reaper.spawn(command, loop.clock(), loop.clock().now() + 10s));
  }

  /// Nothing of an invocation is left: no scratch file, no child.
  bool clean() {
    const bool no_files = !test::exists(dir / "scratch") || std::filesystem::is_empty(dir / "scratch");
    return no_files && ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
  }

  TempDir dir;
  Loop loop;
  io::Offload offload{loop.executor(), loop.clock()};
  runtime::Reaper reaper{loop.engine()};
  std::unique_ptr<runtime::OciRuntime> oci;
  std::optional<Running<Done>> reaping;
};

/// Whoever opens the file, to execute it too, waits until this is gone or the kernel breaks it (fcntl(2), leases; 45
/// s).
class WriteLease {
 public:
  explicit WriteLease(const std::string& path) : before_(::signal(SIGIO, SIG_IGN)) {
    auto opened = io::open_file(path, O_RDWR);
    REQUIRE(opened);
    file_ = std::move(*opened);
    REQUIRE(::fcntl(file_.get(), F_SETLEASE, F_WRLCK) == 0);
  }
  ~WriteLease() {
    file_.reset();
    ::signal(SIGIO, before_);
  }
  WriteLease(const WriteLease&) = delete;
  WriteLease& operator=(const WriteLease&) = delete;

 private:
  io::Fd file_;
  void (*before_)(int);
};

// Finds the value of a flag of the runtime's command line: $(flag --pid-file "$@")
constexpr const char* kFlag = R"sh(flag() { want=$1; shift; while [ "$1" != "$want" ]; do shift; done; echo "$2"; }
)sh";

}  // namespace

TEST_CASE("runtime: a binary that is missing is an error that names it") {
  Bench bench("");
  bench.use("/no/such/crun", 20s);
  const auto created = bench.create();
  REQUIRE_FALSE(created);
  CHECK(created.error().message().find("/no/such/crun") != std::string::npos);
  CHECK_FALSE(bench.loop.run(bench.oci->kill("c1", SIGTERM, false)));
  CHECK_FALSE(bench.loop.run(bench.oci->remove("c1", true)));
  CHECK(bench.clean());
}

TEST_CASE("runtime: a small program is copied at its first use, and a later change of its file is not seen") {
  Bench bench("");
  std::filesystem::copy_file("/bin/true", bench.dir / "crun");
  bench.use(bench.dir / "crun", 20s);
  CHECK(bench.loop.run(bench.oci->kill("c1", SIGTERM, false)));
  std::filesystem::remove(bench.dir / "crun");
  CHECK(bench.loop.run(bench.oci->kill("c1", SIGTERM, false)));
  CHECK(bench.clean());
}

TEST_CASE("sealed program: a copy that nobody can change, of small ELF files only") {
  const TempDir dir;
  std::filesystem::copy_file("/bin/true", dir / "true");
  const auto sealed = runtime::seal_program(dir / "true");
  REQUIRE(sealed);
  CHECK(::fcntl(sealed->get(), F_GET_SEALS) == (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE));
  CHECK(std::filesystem::file_size("/proc/self/fd/" + std::to_string(sealed->get())) ==
        std::filesystem::file_size("/bin/true"));
  std::filesystem::resize_file(dir / "true", (2 << 20) + 1);
  CHECK_FALSE(runtime::seal_program(dir / "true"));
  test::put_file(dir / "script", "#!/bin/sh\n");
  CHECK_FALSE(runtime::seal_program(dir / "script"));
  CHECK_FALSE(runtime::seal_program(dir / "absent"));
  CHECK_FALSE(runtime::seal_program(dir.path()));
}

TEST_CASE("runtime: one that hangs is killed when its time is over") {
  Bench bench("exec sleep 1000", 50ms);
  const auto created = bench.create();
  REQUIRE_FALSE(created);
  CHECK(created.error().code() == Errc::timed_out);
  const auto killed = bench.loop.run(bench.oci->kill("c1", SIGTERM, false));
  REQUIRE_FALSE(killed);
  CHECK(killed.error().code() == Errc::timed_out);
  bench.loop.run_until([&] { return bench.clean(); });
}

TEST_CASE("runtime: garbage in its log and on its output is an error with a text, however much of it there is") {
  Bench bench(std::string(kFlag) + R"sh(
[ "$1" = delete ] || { head -c 300000 /dev/urandom >"$(flag --log "$@")"; }
head -c 300000 /dev/urandom
exit 1)sh");
  const auto created = bench.create();
  REQUIRE_FALSE(created);
  CHECK_FALSE(created.error().message().empty());
  CHECK(created.error().message().size() < 70'000);
  const auto removed = bench.loop.run(bench.oci->remove("c1", true));
  REQUIRE_FALSE(removed);
  CHECK(removed.error().message().size() < 70'000);
  CHECK(bench.clean());
}

TEST_CASE("runtime: one that claims success without a process is not believed") {
  for (const char* script :
       {"exit 0", "echo nonsense >\"$(flag --pid-file \"$@\")\"", ": >\"$(flag --pid-file \"$@\")\"",
        "echo 1 >\"$(flag --pid-file \"$@\")\"", "echo $PPID >\"$(flag --pid-file \"$@\")\"",
        "echo 999999999 >\"$(flag --pid-file \"$@\")\""}) {
    CAPTURE(script);
    Bench bench(std::string(kFlag) + script);
    CHECK_FALSE(bench.create());
    CHECK(bench.clean());
  }
}

TEST_CASE("runtime: the process of one that fails late, or hangs after the start, is not left running") {
  for (const char* ending : {"exit 1", "exec sleep 1000"}) {
    CAPTURE(ending);
    Bench bench(std::string(kFlag) + R"sh(
file=$(flag --pid-file "$@")
sleep 1000 &
echo $! >"$file"
)sh" + ending,
                300ms);
    CHECK_FALSE(bench.loop.run(bench.oci->exec("c1", "{}", {})));
    bench.loop.run_until([&] { return bench.clean(); });
  }
}

TEST_CASE("runtime: a terminal that it never sends is waited for 10 s, and the process goes with it") {
  ManualClock clock;
  Bench bench(std::string(kFlag) + R"sh(
file=$(flag --pid-file "$@")
sleep 1000 &
echo $! >"$file")sh");
  bench.use(bench.dir / "runtime", 20s, clock);
  runtime::ContainerStdio stdio;
  stdio.terminal = true;
  auto creating = bench.loop.start(bench.oci->create("c1", bench.dir / "bundle", stdio));
  const auto waits = [](const std::string& task) { return task == "console socket: poll"; };
  bench.loop.run_until([&] { return std::ranges::any_of(io::live_tasks(), waits); });
  clock.advance(10s - 1ms);
  bench.loop.settle();
  CHECK_FALSE(creating.done());
  clock.advance(1ms);
  bench.loop.run_until([&] { return creating.done(); });
  REQUIRE_FALSE(creating.value());
  CHECK(creating.value().error().code() == Errc::timed_out);
  bench.loop.run_until([&] { return bench.clean(); });
}

TEST_CASE("runtime: one that is killed is reported by its signal, as a shell does") {
  Bench bench("kill -KILL $$");
  const auto created = bench.create();
  REQUIRE_FALSE(created);
  CHECK(created.error().message().find("137") != std::string::npos);
}

TEST_CASE("runtime: the last error of its log is what is told") {
  Bench bench(std::string(kFlag) + R"sh(
echo '{"level":"error","msg":"the first thing"}' >>"$(flag --log "$@")"
echo '{"level":"error","msg":"the real thing"}' >>"$(flag --log "$@")"
exit 1)sh");
  const auto created = bench.create();
  REQUIRE_FALSE(created);
  CHECK(created.error().message().find("the real thing") != std::string::npos);
}

TEST_CASE("runtime: its log is of one invocation, and nothing of it is left in the bundle") {
  Bench bench(std::string(kFlag) + R"sh(
[ "$5" != create ] || echo '{"level":"error","msg":"the first one"}' >>"$(flag --log "$@")"
exit 1)sh");
  const auto created = bench.create();
  REQUIRE_FALSE(created);
  CHECK(created.error().message().find("the first one") != std::string::npos);
  const auto started = bench.loop.run(bench.oci->start("c1"));
  REQUIRE_FALSE(started);
  CHECK(started.error().message().find("said nothing") != std::string::npos);
  CHECK(std::filesystem::is_empty(bench.dir / "bundle"));
  CHECK(bench.clean());
}

TEST_CASE("runtime: the process it leaves behind is ours, and so is its exit code, whichever of the two ends first") {
  // Once it is another program, the shell that plays the runtime collects nobody.
  Bench bench(std::string(kFlag) + R"sh(
file=$(flag --pid-file "$@")
sh -c 'while [ -d /proc/$0 ] && [ "$(cat /proc/$0/comm)" != sleep ]; do :; done; exit 7' $$ &
echo $! >"$file"
exec sleep 0.02)sh");
  for (int round = 0; round < 20; ++round) {
    auto created = bench.create();
    REQUIRE(created);
    CHECK(bench.loop.run(created->child->exited()).code == 7);
  }
  CHECK(bench.clean());
}

TEST_CASE("reaper: a process that nobody claims is collected, and its status goes to nobody") {
  Bench bench("sh -c 'exit 3' & sh -c 'exit 4' & exit 9");
  const auto removed = bench.loop.run(bench.oci->remove("c1", false));
  REQUIRE_FALSE(removed);
  bench.loop.run_until([&] { return bench.clean(); });
}

TEST_CASE("reaper: a child is never signalled after its pid was given back") {
  Bench bench("");
  runtime::Command command;
  command.argv = {"/bin/true"};
  auto child = bench.spawn(command);
  REQUIRE(child);
  bench.loop.run((*child)->exited());
  const auto sent = (*child)->kill(SIGKILL);
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code() == Errc::process_not_found);
}

TEST_CASE("reaper: a program that cannot be executed, or whose directory is not there, is an error that names it") {
  Bench bench("");
  runtime::Command command;
  command.argv = {"no-such-program"};
  command.env = {"PATH=/bin:/usr/bin"};
  const auto absent = bench.spawn(command);
  REQUIRE_FALSE(absent);
  CHECK(absent.error().code() == Errc::not_found);
  CHECK(absent.error().message().find("no-such-program") != std::string::npos);
  command.argv = {"true"};
  command.cwd = "/no/such/directory";
  const auto nowhere = bench.spawn(command);
  REQUIRE_FALSE(nowhere);
  CHECK(nowhere.error().message().find("/no/such/directory") != std::string::npos);
  CHECK(bench.clean());
}

TEST_CASE("reaper: a name is looked up on the path of the command's environment, beside what cannot be executed") {
  Bench bench("");
  test::put_dir(bench.dir / "one");
  test::put_dir(bench.dir / "two");
  test::put_file(bench.dir / "one/program", "no program");
  REQUIRE(::symlink("/bin/true", (bench.dir / "two/program").c_str()) == 0);
  runtime::Command command;
  command.argv = {"program"};
  command.env = {"PATH=/no/such/directory:" + (bench.dir / "one") + ":" + (bench.dir / "two")};
  const auto found = bench.spawn(command);
  REQUIRE_MESSAGE(found, found.error().message());
  CHECK(bench.loop.run((*found)->exited()).as_shell() == 0);
  command.env = {"PATH=" + (bench.dir / "one")};
  const auto refused = bench.spawn(command);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().sys_errno() == EACCES);
}

TEST_CASE("reaper: a program that cannot be reached delays nobody else, and is given up at the deadline") {
  Bench bench("");
  const std::string slow = bench.dir / "slow";
  REQUIRE(std::filesystem::copy_file("/bin/true", slow));
  ManualClock clock;
  runtime::Command command;
  command.argv = {slow};
  {
    const WriteLease lease(slow);
    auto stuck = bench.loop.start(bench.reaper.spawn(command, clock, clock.now() + 1s));
    bench.loop.settle();
    runtime::Command other;
    other.argv = {"/bin/true"};
    const auto started = bench.spawn(other);
    REQUIRE(started);
    CHECK(bench.loop.run((*started)->exited()).as_shell() == 0);
    CHECK_FALSE(stuck.done());
    clock.advance(1s);
    bench.loop.run_until([&] { return stuck.done(); });
    REQUIRE_FALSE(stuck.value());
    CHECK(stuck.value().error().code() == Errc::timed_out);
    bench.loop.run_until([&] { return bench.clean(); });
  }
  CHECK(bench.spawn(command));
}

}  // namespace gcs::testing
