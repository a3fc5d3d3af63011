// A program that must not outlive the one who has started it.

#include <doctest/doctest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "stdio/io/fd.h"
#include "tests/migration/bound_child.h"

using gcs::io::Fd;
using gcs::migration::start_bound;

namespace {

struct Ends {
  gcs::io::PipeEnds words = make();
  gcs::io::PipeEnds extra = make();
  static gcs::io::PipeEnds make() {
    auto ends = gcs::io::make_pipe();
    REQUIRE(ends);
    return std::move(*ends);
  }
};

gcs::Result<pid_t> start(const Ends& ends, std::vector<std::string> argv) {
  return start_bound(argv, {ends.words.write.get(), ends.extra.write.get(), 3});
}

std::string read_all(Ends& ends) {
  ends.words.write = Fd();
  ends.extra.write = Fd();
  std::string text(4096, '\0');
  size_t size = 0;
  for (;;) {
    const ssize_t n = ::read(ends.words.read.get(), text.data() + size, text.size() - size);
    if (n <= 0) break;
    size += static_cast<size_t>(n);
  }
  return text.substr(0, size);
}

}  // namespace

TEST_CASE("bound child: it is killed when the one who has started it is") {
  REQUIRE(::prctl(PR_SET_CHILD_SUBREAPER, 1) == 0);
  auto pids = Ends::make();
  const pid_t middle = ::fork();
  REQUIRE(middle >= 0);
  if (middle == 0) {
    const Ends ends;
    const auto pid = start(ends, {"sleep", "1000"});
    const pid_t number = pid ? *pid : -1;
    if (::write(pids.write.get(), &number, sizeof number) != sizeof number) ::_exit(1);
    for (;;) ::pause();
  }
  pid_t child = -1;
  REQUIRE(::read(pids.read.get(), &child, sizeof child) == sizeof child);
  REQUIRE(child > 0);
  const Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, child, 0)));
  REQUIRE(handle);
  ::kill(middle, SIGKILL);
  ::waitpid(middle, nullptr, 0);
  pollfd watched{handle.get(), POLLIN, 0};
  const bool ended = ::poll(&watched, 1, 10'000) == 1;
  CHECK(ended);
  if (!ended) ::kill(child, SIGKILL);
  int status = 0;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
}

TEST_CASE("bound child: it has the descriptors that it was given, default signals, and nothing else") {
  ::signal(SIGPIPE, SIG_IGN);
  Ends ends;
  const auto pid = start(ends, {"sh", "-c", "echo /proc/self/fd/* >&2; grep SigIgn /proc/self/status >&2; exit 5"});
  REQUIRE_MESSAGE(pid, pid.error().message());
  const std::string said = read_all(ends);
  int status = 0;
  CHECK(::waitpid(*pid, &status, 0) == *pid);
  CHECK(WEXITSTATUS(status) == 5);
  for (const char* number : {"/0", "/1", "/2", "/3"}) CHECK(said.find("fd" + std::string(number)) != std::string::npos);
  CHECK(said.find("fd/5") == std::string::npos);  // 4 is the directory that the shell lists
  CHECK(said.find("SigIgn:\t0000000000000000") != std::string::npos);
}

TEST_CASE("bound child: what keeps a program from being executed is told, and nothing is left of it") {
  const Ends ends;
  const auto pid = start(ends, {"/no/such/program"});
  REQUIRE_FALSE(pid);
  CHECK(pid.error().sys_errno() == ENOENT);
  CHECK(pid.error().message().find("/no/such/program") != std::string::npos);
  CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);
}
