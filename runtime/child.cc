#include "runtime/child.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <optional>

#include "runtime/bare_syscall.h"

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

/// Where the program may be, in the order of execvp(3).
std::vector<std::string> candidates(const Command& command) {
  const std::string& name = command.argv.front();
  if (name.find('/') != std::string::npos) return {name};
  std::vector<std::string> found;
  const std::string path = search_path(command);
  for (size_t begin = 0; begin <= path.size();) {
    const size_t end = std::min(path.find(':', begin), path.size());
    const std::string dir = path.substr(begin, end - begin);
    found.push_back((dir.empty() ? "." : dir) + "/" + name);
    begin = end + 1;
  }
  return found;
}

std::vector<char*> c_strings(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
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

constexpr int kDecided = 3;  // the child's number of the pipe that its exec or its exit closes
constexpr int kProgram = 4;  // and of the program, where that is given by descriptor

// As the kernel's own structures of every architecture begin: the default handler, and no signal blocked.
constexpr unsigned long kStandardAction[8] = {};
constexpr unsigned long kNoSignals = 0;
constexpr size_t kSignalSetSize = sizeof kNoSignals;

template <class T>
GCS_BARE long address(const T* of) {
  return reinterpret_cast<long>(of);
}

}  // namespace

/// All that the child needs, made before the clone: it makes system calls and nothing else.
struct Launch::Plan {
  explicit Plan(const Command& command)
      : strings(command),
        programs(candidates(strings)),
        argv(c_strings(strings.argv)),
        env(c_strings(strings.env)),
        paths(c_strings(programs)) {}

  Command strings;
  std::vector<std::string> programs;
  std::vector<char*> argv;
  std::vector<char*> env;
  std::vector<char*> paths;
  Stack stack;

  // Plain values for the child, which calls no member function.
  char* const* argv_of = argv.data();
  char* const* env_of = env.data();
  char* const* paths_of = paths.data();
  const char* cwd = strings.cwd.empty() ? nullptr : strings.cwd.c_str();
  const rlimit* nofile = inherited_nofile ? &*inherited_nofile : nullptr;
  int stdio[3] = {strings.in, strings.out, strings.err};
  int pipe = -1;
  int netns = strings.netns;
  int program = strings.program;
  bool own_terminal = strings.own_terminal;

  int failure = 0;
  const char* failed_at = "";
};

GCS_BARE void Launch::fail(Plan& plan, long negative_errno, const char* at) {
  plan.failure = static_cast<int>(-negative_errno);
  plan.failed_at = at;
  for (;;) bare_syscall(SYS_exit_group, 127);
}

GCS_BARE int Launch::run_child(void* argument) {
  Plan& plan = *static_cast<Plan*>(argument);
  long done = plan.own_terminal ? bare_syscall(SYS_setsid) : 0;
  if (done < 0) fail(plan, done, "setsid");
  done = plan.netns >= 0 ? bare_syscall(SYS_setns, plan.netns, CLONE_NEWNET) : 0;
  if (done < 0) fail(plan, done, "network namespace");

  // Lifted first, so that placing one never overwrites another.
  const long pipe = bare_syscall(SYS_fcntl, plan.pipe, F_DUPFD, kProgram + 1);
  if (pipe < 0) fail(plan, pipe, "pipe");
  const long program = plan.program >= 0 ? bare_syscall(SYS_fcntl, plan.program, F_DUPFD, kProgram + 1) : -1;
  if (plan.program >= 0 && program < 0) fail(plan, program, "program");
  long lifted[3];
  for (int i = 0; i < 3; ++i) {
    long from = plan.stdio[i];
    if (from < 0) from = bare_syscall(SYS_openat, AT_FDCWD, address("/dev/null"), O_RDWR | O_CLOEXEC);
    lifted[i] = bare_syscall(SYS_fcntl, from, F_DUPFD, kProgram + 1);
    if (lifted[i] < 0) fail(plan, lifted[i], "stdio");
  }
  for (int i = 0; i < 3; ++i) {
    done = bare_syscall(SYS_dup3, lifted[i], i, 0);
    if (done < 0) fail(plan, done, "stdio");
  }
  done = bare_syscall(SYS_dup3, pipe, kDecided, O_CLOEXEC);
  if (done < 0) fail(plan, done, "pipe");
  done = plan.program >= 0 ? bare_syscall(SYS_dup3, program, kProgram, O_CLOEXEC) : bare_syscall(SYS_close, kProgram);
  if (plan.program >= 0 && done < 0) fail(plan, done, "program");
  // Before what may hang: a child that does keeps nothing of its siblings open.
  if (bare_syscall(SYS_close_range, kProgram + 1, ~0U, 0) < 0) {
    for (int fd = kProgram + 1; fd < 4096; ++fd) bare_syscall(SYS_close, fd);
  }
  done = plan.own_terminal ? bare_syscall(SYS_ioctl, 0, TIOCSCTTY, 0) : 0;
  if (done < 0) fail(plan, done, "controlling terminal");
  done = plan.cwd != nullptr ? bare_syscall(SYS_chdir, address(plan.cwd)) : 0;
  if (done < 0) fail(plan, done, plan.cwd);
  if (plan.nofile != nullptr) bare_syscall(SYS_prlimit64, 0, RLIMIT_NOFILE, address(plan.nofile), 0);

  for (int signal = 1; signal < NSIG; ++signal) {
    bare_syscall(SYS_rt_sigaction, signal, address(kStandardAction), 0, kSignalSetSize);
  }
  bare_syscall(SYS_rt_sigprocmask, SIG_SETMASK, address(&kNoSignals), 0, kSignalSetSize);
  if (plan.program >= 0) {
    done =
        bare_syscall(SYS_execveat, kProgram, address(""), address(plan.argv_of), address(plan.env_of), AT_EMPTY_PATH);
    // A file in memory may be what a security module does not let be executed.
    if (done != -EACCES && done != -EPERM && done != -ENOSYS) fail(plan, done, plan.argv_of[0]);
  }
  long refused = -ENOENT;
  for (char* const* path = plan.paths_of; *path != nullptr; ++path) {
    done = bare_syscall(SYS_execve, address(*path), address(plan.argv_of), address(plan.env_of));
    if (done == -EACCES) refused = done;
    if (done != -ENOENT && done != -ENOTDIR && done != -EACCES) fail(plan, done, *path);
  }
  fail(plan, refused, plan.argv_of[0]);
}

Launch::Launch() = default;
Launch::~Launch() = default;

Result<std::shared_ptr<Launch>> Launch::begin(const Command& command) {
  if (command.argv.empty()) return Error(Errc::invalid_argument, "the command line is empty");
  std::shared_ptr<Launch> launch(new Launch());
  const auto cloned = launch->clone(command);
  if (!cloned) return cloned.error();
  return launch;
}

Result<> Launch::clone(const Command& command) {
  plan_ = std::make_unique<Plan>(command);
  if (plan_->stack.top() == nullptr) return sys_error("allocate the child's stack");
  auto ends = io::make_pipe();
  if (!ends) return ends.error();
  plan_->pipe = ends->write.get();

  // No handler of ours may run on the shared memory.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_ = ::clone(run_child, plan_->stack.top(), CLONE_VM | SIGCHLD, plan_.get());
  const int clone_errno = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid_ < 0) return sys_error("clone", clone_errno);
  decided_ = std::move(ends->read);
  return {};
}

Result<> Launch::outcome() const {
  if (plan_->failure == 0) return {};
  return sys_error(std::string("execute ") + plan_->strings.argv.front() + ": " + plan_->failed_at, plan_->failure);
}

void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  inherited_nofile = limit;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace gcs::runtime
