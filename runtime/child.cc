#include "runtime/child.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>

namespace gcs::runtime {
namespace {

std::optional<rlimit> inherited_nofile;

std::string search_path(const Command& command) {
  for (const std::string& entry : command.env) {
    if (entry.starts_with("PATH=")) return entry.substr(5);
  }
  const char* ours = std::getenv("PATH");
  return ours != nullptr ? ours : "/usr/sbin:/usr/bin:/sbin:/bin";
}

std::string resolve(const Command& command) {
  const std::string& name = command.argv.front();
  if (name.find('/') != std::string::npos) return name;
  const std::string path = search_path(command);
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    std::string candidate = path.substr(begin, end - begin) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
    begin = end + 1;
  }
  return name;
}

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

/// All that the child needs, made before the clone: in the child only system calls are made, for it shares our memory
/// until the exec (clone(2), CLONE_VM|CLONE_VFORK).
struct Plan {
  const char* path;
  const char* cwd;
  char** argv;
  char** env;
  int stdio[3];
  bool own_terminal;
  const rlimit* nofile;
  int failure = 0;
  const char* failed_at = "";
};

[[noreturn]] void fail(Plan& plan, const char* at) {
  plan.failure = errno;
  plan.failed_at = at;
  ::_exit(127);
}

int run_child(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  if (plan.own_terminal && ::setsid() < 0) fail(plan, "setsid");

  // Lifted above 2 first, so that placing one never overwrites another.
  int lifted[3];
  for (int i = 0; i < 3; ++i) {
    const int from = plan.stdio[i] >= 0 ? plan.stdio[i] : ::open("/dev/null", O_RDWR | O_CLOEXEC);
    lifted[i] = ::fcntl(from, F_DUPFD, 3);
    if (lifted[i] < 0) fail(plan, "stdio");
  }
  for (int i = 0; i < 3; ++i) {
    if (::dup2(lifted[i], i) < 0) fail(plan, "stdio");
  }
  if (plan.own_terminal && ::ioctl(0, TIOCSCTTY, 0) != 0) fail(plan, "controlling terminal");
  if (::syscall(SYS_close_range, 3U, ~0U, 0U) != 0) {
    for (int fd = 3; fd < 4096; ++fd) ::close(fd);
  }
  if (plan.cwd != nullptr && ::chdir(plan.cwd) != 0) fail(plan, plan.cwd);
  if (plan.nofile != nullptr) ::setrlimit(RLIMIT_NOFILE, plan.nofile);

  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &standard, nullptr);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.path, plan.argv, plan.env);
  fail(plan, plan.path);
}

/// The child's stack: it runs beside ours until the exec.
class Stack {
 public:
  Stack() : memory_(::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {}
  ~Stack() {
    if (memory_ != MAP_FAILED) ::munmap(memory_, kSize);
  }
  Stack(const Stack&) = delete;
  Stack& operator=(const Stack&) = delete;
  void* top() const { return memory_ == MAP_FAILED ? nullptr : static_cast<char*>(memory_) + kSize; }

 private:
  static constexpr size_t kSize = 64 * 1024;
  void* memory_;
};

}  // namespace

Result<pid_t> spawn_child(const Command& command) {
  if (command.argv.empty()) return Error(Errc::invalid_argument, "the command line is empty");
  const std::string path = resolve(command);
  auto argv = c_strings(command.argv);
  auto env = c_strings(command.env);
  Plan plan{};
  plan.path = path.c_str();
  plan.cwd = command.cwd.empty() ? nullptr : command.cwd.c_str();
  plan.argv = argv.data();
  plan.env = env.data();
  plan.stdio[0] = command.in;
  plan.stdio[1] = command.out;
  plan.stdio[2] = command.err;
  plan.own_terminal = command.own_terminal;
  plan.nofile = inherited_nofile ? &*inherited_nofile : nullptr;

  const Stack stack;
  if (stack.top() == nullptr) return sys_error("allocate the child's stack");
  // No handler of ours may run on the shared memory.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::clone(run_child, stack.top(), CLONE_VM | CLONE_VFORK | SIGCHLD, &plan);
  const int clone_errno = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);

  if (pid < 0) return sys_error("clone", clone_errno);
  if (plan.failure != 0) {
    ::waitpid(pid, nullptr, 0);
    return sys_error(std::string("execute ") + command.argv.front() + ": " + plan.failed_at, plan.failure);
  }
  return pid;
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  inherited_nofile = limit;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace gcs::runtime
