#include "gcs/init_children.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <vector>

namespace gcs {
namespace {

void reset_signals() {
  for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// The first terminal that a session's leader opens becomes the session's own.
void take_terminal(const char* path) {
  const int fd = ::open(path, O_RDWR);
  if (fd < 0) return;
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(fd, standard);
  if (fd > STDERR_FILENO) ::close(fd);
}

void keep_only_path() {
  ::clearenv();
  ::setenv("PATH", kProgramPath, 1);
}

std::vector<char*> argv_of(const Command& command) {
  std::vector<char*> argv;
  for (const std::string& argument : command.argv) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  return argv;
}

[[noreturn]] void become(const Command& command, char* const* argv) {
  reset_signals();
  ::execvp(command.file.c_str(), argv);
  ::dprintf(STDERR_FILENO, "init: %s cannot be run: %s\n", command.file.c_str(), strerrordesc_np(errno));
  ::_exit(127);
}

/// The end of a session's leader hangs up the terminal, and what it had not written out yet is gone. So the program is
/// not the leader: this process is, deaf to signals, and ends as the program did once the terminal is drained.
[[noreturn]] void lead_terminal(const Command& command, char* const* argv, const char* terminal) {
  take_terminal(terminal);
  sigset_t all;
  sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, nullptr);
  const pid_t pid = ::fork();
  if (pid == 0) become(command, argv);
  int status = 0;
  while (pid > 0 && ::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  ::tcdrain(STDOUT_FILENO);
  ::_exit(pid < 0 ? 126 : exit_code(status));
}

}  // namespace

bool is_program(const std::string& name) {
  const auto runs = [](const std::string& path) {
    struct stat found {};
    return ::stat(path.c_str(), &found) == 0 && S_ISREG(found.st_mode) && ::access(path.c_str(), X_OK) == 0;
  };
  if (name.find('/') != std::string::npos) return runs(name);
  if (name.empty()) return false;
  std::string_view rest = kProgramPath;
  while (!rest.empty()) {
    std::string path(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(path.size() + 1, rest.size()));
    if (runs(path.append("/").append(name))) return true;
  }
  return false;
}

Result<pid_t> start_program(const Command& command) {
  const std::vector<char*> argv = argv_of(command);
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("fork for " + command.file);
  if (pid > 0) return pid;
  ::setsid();
  keep_only_path();
  become(command, argv.data());
}

Result<pid_t> start_on_terminal(const Command& command, const std::string& terminal) {
  const std::vector<char*> argv = argv_of(command);
  const pid_t pid = ::fork();
  if (pid < 0) return sys_error("fork for " + command.file);
  if (pid > 0) return pid;
  ::setsid();
  lead_terminal(command, argv.data(), terminal.c_str());
}

Result<Ended> reap_until(std::span<const pid_t> watched) {
  for (;;) {
    Ended ended{};
    ended.pid = ::waitpid(-1, &ended.status, 0);
    if (ended.pid < 0 && errno == EINTR) continue;
    if (ended.pid < 0) return Error(Errc::not_found, "no children to wait for", errno);
    if (std::find(watched.begin(), watched.end(), ended.pid) != watched.end()) return ended;
  }
}

int exit_code(int status) {
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string describe_status(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "exit " + std::to_string(WEXITSTATUS(status));
}

}  // namespace gcs
