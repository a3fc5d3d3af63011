// When a container's first process is the container's program, and not the runtime's code before it.

#include "runtime/init_program.h"

#include <doctest/doctest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/loop.h"

namespace gcs::testing {

using namespace gcs::runtime;

TEST_CASE("init program: the flag of /proc/PID/stat tells, whatever the name holds; one that has ended counts too") {
  CHECK_FALSE(has_executed("7 (runc:[2:INIT]) S 1 7 7 0 -1 1077936448 0 0"));
  CHECK(has_executed("7 (sh) S 1 7 7 0 -1 4194560 0 0"));
  CHECK_FALSE(has_executed("7 (a) S 1 7 7 0 -1 4194560 0) R 1 7 7 0 -1 64 0 0"));
  CHECK(has_executed("7 (runc:[2:INIT]) Z 1 7 7 0 -1 1077936448 0 0"));
  for (const char* text : {"", "7", "7 (x", "7 (x)", "7 (x) S", "7 (x) S 1 7 7 0 -1", "7 (x) S 1 7 7 0 -1 flags"}) {
    CAPTURE(text);
    CHECK(has_executed(text));  // nothing to wait for
  }
}

TEST_CASE("init program: a forked process is waited for until it executes") {
  int gate[2];
  REQUIRE(::pipe(gate) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    char byte = 0;
    ::close(gate[1]);
    if (::read(gate[0], &byte, 1) == 0) ::execl("/bin/sleep", "sleep", "100", nullptr);
    ::_exit(1);
  }
  ::close(gate[0]);
  Loop loop;
  auto waiting = loop.start(program_begun(loop.executor(), loop.clock(), child));
  loop.settle();
  CHECK_FALSE(waiting.done());
  ::close(gate[1]);
  loop.run_until([&] { return waiting.done(); });
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
}

TEST_CASE("init program: a process that is gone is not waited for") {
  Loop loop;
  auto waiting = loop.start(program_begun(loop.executor(), loop.clock(), 0x3fffff));
  loop.settle();
  CHECK(waiting.done());
}

}  // namespace gcs::testing
