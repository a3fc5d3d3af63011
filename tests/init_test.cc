#include "gcs/init.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <set>
#include <thread>

#include "gcs/init_cgroups.h"
#include "gcs/init_children.h"
#include "gcs/init_entropy.h"
#include "gcs/init_mounts.h"
#include "stdio/io/fd.h"

using namespace gcs;
using namespace std::chrono_literals;

namespace {

using Words = std::vector<std::string>;

Command shell(const std::string& script) {
  return {"/bin/sh", {"sh", "-c", script}};
}

int ending_of(const Command& command) {
  const auto pid = start_program(command);
  REQUIRE(pid.has_value());
  const pid_t watched[] = {*pid};
  const auto ended = reap_until(watched);
  REQUIRE(ended.has_value());
  CHECK(ended->pid == *pid);
  return ended->status;
}

struct TerminalRun {
  int status;
  std::string output;
};

/// Runs a script on a fresh pty and reads what it said after its end.
TerminalRun ending_on_terminal(const std::string& script) {
  io::Fd master(::posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC));
  REQUIRE(master);
  REQUIRE(::grantpt(master.get()) == 0);
  REQUIRE(::unlockpt(master.get()) == 0);
  const auto pid = start_on_terminal(shell(script), ::ptsname(master.get()));
  REQUIRE(pid.has_value());
  const pid_t watched[] = {*pid};
  const auto ended = reap_until(watched);
  REQUIRE(ended.has_value());
  TerminalRun run{ended->status, {}};
  char chunk[512];
  for (ssize_t n = 0; (n = ::read(master.get(), chunk, sizeof chunk)) > 0;) {
    run.output.append(chunk, static_cast<size_t>(n));
  }
  return run;
}

/// A connection to the host, which sends entropy, and the host's end of it.
struct Connection {
  Connection() {
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    guest = io::Fd(ends[0]);
    host = io::Fd(ends[1]);
  }
  void send(const std::string& data) { REQUIRE(::write(host.get(), data.data(), data.size()) == ssize_t(data.size())); }
  io::Fd guest, host;
};

}  // namespace

TEST_CASE("init: the name or the verb init makes a process the image's first program") {
  struct Row {
    Words argv;
    bool wanted;
  };
  const Row rows[] = {
      {{"/init"}, true},
      {{"init"}, true},
      {{"/sbin/init", "-e", "1"}, true},
      {{"gcs", "init"}, true},
      {{"/bin/gcs", "init", "-w"}, true},
      {{"gcs"}, false},
      {{"/bin/gcs", "-v4"}, false},
      {{"gcs", "-v4", "init"}, false},
      {{"/init/gcs"}, false},
      {{}, false},
  };
  for (Row row : rows) {
    std::vector<char*> argv;
    for (std::string& word : row.argv) argv.push_back(word.data());
    argv.push_back(nullptr);
    CAPTURE(row.argv.size());
    CHECK(is_init(static_cast<int>(row.argv.size()), argv.data()) == row.wanted);
  }
}

TEST_CASE("init: the mounts keep set-uid files out, programs out of all but /var, devices out of all but /dev") {
  std::set<std::string> targets;
  for (const auto table : {init_mounts(), writable_mounts()}) {
    for (const MountPoint& mount : table) {
      const std::string target = mount.target;
      CAPTURE(target);
      CHECK(targets.insert(target).second);
      CHECK((mount.flags & MS_NOSUID) != 0);
      CHECK(((mount.flags & MS_NOEXEC) != 0) == (target != "/var"));
      CHECK(((mount.flags & MS_NODEV) != 0) == (target != "/dev" && target != "/dev/pts"));
    }
  }
  CHECK(targets == std::set<std::string>{"/dev", "/dev/pts", "/dev/shm", "/etc", "/proc", "/run", "/run/over", "/sys",
                                         "/tmp", "/var"});
}

TEST_CASE("init: only enabled controllers are taken from the kernel's table") {
  constexpr const char* kTable =
      "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"
      "cpuset\t0\t1\t1\ncpu\t0\t1\t1\nmemory\t0\t12\t0\npids\t3\t1\t1\n";
  CHECK(enabled_controllers(kTable) == Words{"cpuset", "cpu", "pids"});
  CHECK(enabled_controllers("").empty());
  CHECK(enabled_controllers("cpu\nmemory 1").empty());
}

TEST_CASE("init: a program's ending is told by its exit code or its signal") {
  const int exited = ending_of(shell("exit 3"));
  CHECK(describe_status(exited) == "exit 3");
  CHECK(exit_code(exited) == 3);
  const int killed = ending_of(shell("kill -9 $$"));
  CHECK(describe_status(killed) == "signal 9");
  CHECK(exit_code(killed) == 137);
}

TEST_CASE("init: a program that is not there ends as 127") {
  CHECK(exit_code(ending_of({"/nowhere/gcs", {"gcs"}})) == 127);
}

TEST_CASE("init: a program has PATH alone for its environment, one on the terminal has that of process 1") {
  REQUIRE(::setenv("GCS_INIT_TEST", "1", 1) == 0);
  const std::string alone = "test \"$(tr '\\0' '\\n' </proc/$$/environ)\" = PATH=/sbin:/usr/sbin:/bin:/usr/bin";
  CHECK(exit_code(ending_of(shell(alone))) == 0);
  CHECK(exit_code(ending_on_terminal("test \"$GCS_INIT_TEST\" = 1").status) == 0);
  ::unsetenv("GCS_INIT_TEST");
}

TEST_CASE("init: a program is a file to execute, by its path or by its name in one of the program directories") {
  for (const char* name : {"/bin/sh", "sh", "cat"}) CHECK(is_program(name));
  for (const char* name : {"", "/", "/bin", "/etc/passwd", "/nowhere/sh", "no-such-program", "-c", "../bin"}) {
    CAPTURE(name);
    CHECK_FALSE(is_program(name));
  }
}

TEST_CASE("init: a program leads a session of its own and has no signal blocked or ignored") {
  sigset_t all, before;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  auto* old = ::signal(SIGPIPE, SIG_IGN);
  const int status =
      // The shell's children tell what it was given: it blocks signals itself while it waits for them.
      ending_of(shell("test \"$(cut -d' ' -f6 /proc/$$/stat)\" = $$ || exit 1\n"
                      "grep -Eq '^SigBlk:\\s0+$' /proc/self/status || exit 2\n"
                      "grep -Eq '^SigIgn:\\s0+$' /proc/self/status || exit 3\n"));
  ::signal(SIGPIPE, old);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  CHECK(exit_code(status) == 0);
}

TEST_CASE("init: a program that is given a terminal has it for its streams and controls it") {
  CHECK(exit_code(ending_on_terminal("test -t 0 && test -t 1 && test -t 2 && : >/dev/tty").status) == 0);
  CHECK(exit_code(ending_on_terminal("exit 6").status) == 6);
  CHECK(exit_code(ending_on_terminal("kill -INT $$").status) == 130);
}

TEST_CASE(
    "init: orphans are collected while the agent runs, and after its end none of them is left behind as a zombie") {
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  // The agent ends only after its orphan has: it waits until the kernel no longer knows the process, which takes a
  // reaper.
  const int status =
      ending_of(shell("orphan=$(sh -c 'true & echo $!')\n"
                      "while kill -0 $orphan 2>/dev/null; do :; done\n"
                      "exit 5\n"));
  CHECK(exit_code(status) == 5);
  CHECK(::waitpid(-1, nullptr, WNOHANG) < 0);
  CHECK(errno == ECHILD);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0);
}

TEST_CASE("init: of two watched programs the first to end is told") {
  const auto stopped = start_program(shell("kill -STOP $$"));
  const auto quick = start_program(shell("exit 4"));
  REQUIRE((stopped.has_value() && quick.has_value()));
  const pid_t watched[] = {*stopped, *quick};
  const auto ended = reap_until(watched);
  REQUIRE(ended.has_value());
  CHECK(ended->pid == *quick);
  CHECK(exit_code(ended->status) == 4);
  ::kill(*stopped, SIGKILL);
  while (::waitpid(-1, nullptr, 0) > 0) {
  }
}

TEST_CASE("init: without children there is nothing to wait for") {
  CHECK(reap_until({}).error().code() == Errc::not_found);
}

TEST_CASE("init: it refuses to set up a machine as anything but process 1") {
  char name[] = "init";
  char* argv[] = {name, nullptr};
  REQUIRE(::getpid() != 1);
  CHECK(run_init(1, argv) == 1);
}

TEST_CASE("init: entropy is what the host sends until it closes the connection, and 4 KiB at most") {
  Connection connection;
  connection.send(std::string(300, 'a'));
  connection.send(std::string(212, 'b'));
  connection.host.reset();
  const auto data = read_entropy(connection.guest.get(), 60s);
  REQUIRE(data.has_value());
  CHECK(*data == std::string(300, 'a') + std::string(212, 'b'));
  CHECK(read_entropy(connection.guest.get(), 60s).error().code() == Errc::not_found);

  Connection generous;
  generous.send(std::string(5000, 'c'));
  const auto most = read_entropy(generous.guest.get(), 60s);
  REQUIRE(most.has_value());
  CHECK(most->size() == 4096);
}

TEST_CASE("init: a host that stays silent, or sends a byte now and then, holds the boot up for one limit in all") {
  Connection silent;
  CHECK(read_entropy(silent.guest.get(), 50ms).error().code() == Errc::not_found);

  Connection slow;
  std::jthread host([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) {
      slow.send("x");
      std::this_thread::sleep_for(5ms);
    }
  });
  const auto data = read_entropy(slow.guest.get(), 200ms);
  host.request_stop();
  REQUIRE(data.has_value());
  CHECK(data->size() < 1000);  // of the 4096 that it would take
  CHECK(*data == std::string(data->size(), 'x'));
}

TEST_CASE("init: of a connection that breaks, the entropy that came before is taken") {
  for (const bool sent : {true, false}) {
    CAPTURE(sent);
    Connection connection;
    if (sent) connection.send("seed");
    REQUIRE(::write(connection.guest.get(), "?", 1) == 1);
    connection.host.reset();  // with an unread byte: the guest's end is reset
    const auto data = read_entropy(connection.guest.get(), 60s);
    CHECK(data.has_value() == sent);
    if (data) CHECK(*data == "seed");
    if (!data) CHECK(data.error().code() == Errc::disconnected);
  }
}

TEST_CASE("init: the kernel takes entropy of any length from root, and from nobody else") {
  for (const size_t size : {1, 3, 4, 512, 4096}) {
    CAPTURE(size);
    std::string data(size, '\0');
    REQUIRE(::getrandom(data.data(), size, 0) == ssize_t(size));
    const auto done = add_entropy(data);
    if (done) continue;
    CHECK((done.error().sys_errno() == EPERM || done.error().sys_errno() == EACCES));
    MESSAGE("not permitted here: " << done.error().message());
  }
}
