#include "tests/migration/bound_child.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "stdio/io/fd.h"

namespace gcs::migration {
namespace {

/// The child's side of the fork: async-signal-safe calls alone, for another thread may have held a lock. Returns only
/// where it fails, with errno. posix_spawn(3) cannot ask for the parent's death.
void become(char* const* argv, const ChildEnds& ends, int report, pid_t parent) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) return;
  if (::getppid() != parent) ::_exit(0);  // it was too late to be told
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0 || ::dup2(null, STDIN_FILENO) < 0 || ::dup2(null, STDOUT_FILENO) < 0) return;
  if (::dup2(ends.words, STDERR_FILENO) < 0 || ::dup2(ends.extra, ends.extra_number) < 0) return;
  const unsigned rest = static_cast<unsigned>(ends.extra_number) + 1;
  if (::close_range(rest, ~0U, CLOSE_RANGE_CLOEXEC) != 0 || report < static_cast<int>(rest)) return;
  ::execvp(argv[0], argv);
}

/// Out of the way of the numbers that the child gives: one must not overwrite another.
Result<io::Fd> high(int fd, int above) {
  io::Fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, above + 1));
  if (!copy) return sys_error("dup");
  return copy;
}

}  // namespace

Result<pid_t> start_bound(std::vector<std::string>& argv, ChildEnds ends) {
  std::vector<char*> words;
  for (std::string& word : argv) words.push_back(word.data());
  words.push_back(nullptr);
  auto failure = io::make_pipe();
  if (!failure) return failure.error();
  auto report = high(failure->write.get(), ends.extra_number);
  auto stderr_copy = high(ends.words, ends.extra_number);
  auto extra_copy = high(ends.extra, ends.extra_number);
  for (const auto* copy : {&report, &stderr_copy, &extra_copy}) {
    if (!*copy) return copy->error();
  }
  const ChildEnds moved{(*stderr_copy).get(), (*extra_copy).get(), ends.extra_number};
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("fork");
  if (pid == 0) {
    become(words.data(), moved, report->get(), parent);
    const int why = errno;
    (void)!::write(report->get(), &why, sizeof why);
    ::_exit(127);
  }
  *report = io::Fd();
  failure->write = io::Fd();
  int why = 0;
  ssize_t told = 0;
  do told = ::read(failure->read.get(), &why, sizeof why);
  while (told < 0 && errno == EINTR);
  if (told != sizeof why) return pid;  // its end was closed by exec
  ::waitpid(pid, nullptr, 0);
  return sys_error("start " + argv[0], why);
}

}  // namespace gcs::migration
