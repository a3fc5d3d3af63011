#include "tests/migration/qemu_process.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

#include "stdio/io/log.h"
#include "tests/migration/bound_child.h"
#include "tests/migration/qemu_config.h"

namespace gcs::migration {
namespace {

/// What it said before it ended is in the pipe; a child of its own could hold that open.
constexpr std::chrono::seconds kLastWordsLimit{1};

}  // namespace

Result<std::unique_ptr<QemuProcess>> QemuProcess::launch(io::Engine& engine, io::Clock& clock,
                                                         std::vector<std::string> argv, io::Fd monitor) {
  auto words = io::make_pipe();
  if (!words) return words.error();
  const auto pid = start_bound(argv, {words->write.get(), monitor.get(), kMonitorFd});
  if (!pid) return pid.error();
  io::Fd handle(static_cast<int>(::syscall(SYS_pidfd_open, *pid, 0)));
  if (!handle) {
    const Error error = sys_error("pidfd_open");
    ::kill(*pid, SIGKILL);
    ::waitpid(*pid, nullptr, 0);
    return error;
  }
  return std::unique_ptr<QemuProcess>(new QemuProcess(engine, clock, *pid, std::move(handle), std::move(words->read)));
}

QemuProcess::QemuProcess(io::Engine& engine, io::Clock& clock, pid_t pid, io::Fd handle, io::Fd words)
    : engine_(engine),
      clock_(clock),
      pid_(pid),
      handle_(std::move(handle)),
      stderr_(engine.adopt(std::move(words))),
      changed_(engine.executor(), "qemu process"),
      group_(engine.executor()) {
  group_.spawn("qemu's end", watch());
  group_.spawn("qemu's stderr", listen());
}

QemuProcess::~QemuProcess() {
  if (collected_) return;
  kill();
  siginfo_t info{};
  ::waitid(P_PIDFD, static_cast<id_t>(handle_.get()), &info, WEXITED);
}

io::Task<> QemuProcess::watch() {
  int options = WEXITED | WNOHANG;
  for (;;) {
    siginfo_t info{};
    const int done = ::waitid(P_PIDFD, static_cast<id_t>(handle_.get()), &info, options);
    if (done == 0 && info.si_pid != 0) {
      how_ = info.si_code;
      status_ = info.si_status;
      break;
    }
    const auto ready = co_await engine_.poll(handle_.get(), POLLIN);
    if (ready) continue;
    log::error("cannot watch QEMU", {{"pid", pid_}, {"error", ready.error().message()}});
    kill();
    options = WEXITED;
  }
  collected_ = true;
  auto silent = [this] { return silent_; };
  if (!co_await changed_.wait_until(clock_, clock_.now() + kLastWordsLimit, silent)) {
    log::debug("somebody else holds QEMU's stderr", {{"pid", pid_}});
  }
  ended_ = true;
  changed_.notify_all();
}

io::Task<> QemuProcess::listen() {
  std::array<char, 1024> buffer;
  for (;;) {
    const auto got = co_await stderr_->read_some(std::as_writable_bytes(std::span(buffer)));
    if (!got || *got == 0) break;
    words_.append(buffer.data(), *got);
    if (words_.size() > kMaxWords) words_.erase(0, words_.size() - kMaxWords);
  }
  silent_ = true;
  changed_.notify_all();
}

io::Task<bool> QemuProcess::wait_ended(io::Clock::TimePoint deadline) {
  auto ended = [this] { return ended_; };
  co_return co_await changed_.wait_until(clock_, deadline, ended);
}

void QemuProcess::kill() {
  if (!collected_) ::syscall(SYS_pidfd_send_signal, handle_.get(), SIGKILL, nullptr, 0);
}

std::string QemuProcess::last_words() const {
  const size_t end = words_.find_last_not_of("\r\n");
  if (end == std::string::npos) {
    if (!collected_) return "QEMU says nothing";
    const char* how = how_ == CLD_EXITED ? "QEMU ended with status " : "QEMU was ended by signal ";
    return how + std::to_string(status_);
  }
  const size_t start = words_.rfind('\n', end);
  std::string line = words_.substr(start == std::string::npos ? 0 : start + 1);
  line.erase(line.find_last_not_of("\r\n") + 1);
  const size_t name = line.find(": ");
  if (line.starts_with("qemu-system-") && name != std::string::npos) line.erase(0, name + 2);
  return line;
}

io::Task<> QemuProcess::stop() {
  kill();
  // SIGKILL is certain; only a device of the machine's that never answers could hold the child.
  auto ended = [this] { return ended_; };
  co_await changed_.wait(ended);
  group_.cancel();
  co_await group_.join();
}

}  // namespace gcs::migration
