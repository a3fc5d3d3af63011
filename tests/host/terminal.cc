#include "tests/host/terminal.h"

#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

namespace gcs::host {
namespace {

constexpr int kCrashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};

// For the crash handler, which can reach nothing else.
volatile sig_atomic_t crash_fd = -1;
termios cooked;
termios raw;

extern "C" void restore_after_crash(int number) {
  if (crash_fd >= 0) ::tcsetattr(crash_fd, TCSANOW, &cooked);
  // SA_RESETHAND: the default action now follows.
  ::raise(number);
}

void watch_crashes(bool on) {
  for (const int number : kCrashes) {
    struct sigaction action {};
    if (::sigaction(number, nullptr, &action) != 0) continue;
    const bool ours = action.sa_handler == &restore_after_crash;
    // A sanitizer's own handler stays: its report is worth more than the terminal.
    if (on && action.sa_handler != SIG_DFL) continue;
    if (!on && !ours) continue;
    action.sa_handler = on ? &restore_after_crash : SIG_DFL;
    action.sa_flags = on ? static_cast<int>(SA_RESETHAND | SA_NODEFER) : 0;
    ::sigaction(number, &action, nullptr);
  }
}

}  // namespace

std::optional<ConsoleSize> console_size(int fd) {
  winsize size{};
  if (::ioctl(fd, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return std::nullopt;
  return ConsoleSize{size.ws_row, size.ws_col};
}

Result<RawTerminal> RawTerminal::enter(int fd) {
  if (crash_fd >= 0) return Error(Errc::wrong_state, "a terminal is raw already");
  if (::tcgetattr(fd, &cooked) != 0) return sys_error("read the terminal's settings");
  raw = cooked;
  ::cfmakeraw(&raw);
  if (::tcsetattr(fd, TCSADRAIN, &raw) != 0) return sys_error("make the terminal raw");
  crash_fd = fd;
  watch_crashes(true);
  return RawTerminal(fd);
}

RawTerminal::~RawTerminal() {
  if (fd_ < 0) return;
  watch_crashes(false);
  crash_fd = -1;
  ::tcsetattr(fd_, TCSADRAIN, &cooked);
}

void RawTerminal::reenter() {
  ::tcsetattr(fd_, TCSADRAIN, &raw);
}

}  // namespace gcs::host
