#include "runtime/reaper.h"

#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>

#include <array>
#include <csignal>

#include "stdio/io/deadline.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

ExitStatus status_of(int raw) {
  if (WIFSIGNALED(raw)) return {0, WTERMSIG(raw)};
  return {WEXITSTATUS(raw), 0};
}

}  // namespace

io::Task<ExitStatus> Child::exited() {
  auto known = [this] { return status_.has_value(); };
  co_await exited_.wait(known);
  co_return *status_;
}

Result<> Child::kill(int signal) const {
  if (status_) return Error(Errc::process_not_found, "process " + std::to_string(pid_) + " has exited");
  if (::kill(pid_, signal) != 0) return sys_error("signal process " + std::to_string(pid_));
  return {};
}

Killing::~Killing() {
  if (child_ != nullptr && !child_->has_exited()) discard(child_->kill(SIGKILL), "it may have exited just now");
}

Result<> Reaper::start() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) return sys_error("become subreaper");
  sigset_t wanted;
  ::sigemptyset(&wanted);
  ::sigaddset(&wanted, SIGCHLD);
  if (::sigprocmask(SIG_BLOCK, &wanted, nullptr) != 0) return sys_error("block SIGCHLD");
  io::Fd fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return sys_error("signalfd");
  signals_ = engine_.adopt(std::move(fd));
  return {};
}

io::Task<> Reaper::run() {
  std::array<std::byte, sizeof(signalfd_siginfo) * 8> pending;
  for (;;) {
    collect();
    const auto n = co_await signals_->read_some(pending);
    if (!n) {
      if (n.error().sys_errno() != ECANCELED) log::error("no more child signals", {{"error", n.error().message()}});
      co_return;
    }
  }
}

io::Task<Result<ChildPtr>> Reaper::spawn(Command command, io::Clock& clock, io::Clock::TimePoint deadline) {
  const auto launched = Launch::begin(command);
  if (!launched) co_return launched.error();
  const std::shared_ptr<Launch> launch = *launched;
  const auto child = std::make_shared<Child>(engine_.executor(), launch->pid());
  child->launch_ = launch;
  claimed_[child->pid()] = child;
  Killing killing(child);
  std::string name = "execute " + command.argv.front();
  auto deciding = engine_.poll(launch->decided(), POLLIN);
  const auto decided =
      co_await io::with_deadline<short>(engine_.executor(), clock, deadline, std::move(name), std::move(deciding));
  if (!decided) co_return decided.error();
  const auto outcome = launch->outcome();
  if (!outcome) {
    co_await child->exited();  // it is on its way
    co_return outcome.error();
  }
  child->launch_.reset();
  killing.dismiss();
  co_return child;
}

void Reaper::collect() {
  for (;;) {
    int raw = 0;
    const pid_t pid = ::waitpid(-1, &raw, WNOHANG);
    if (pid <= 0) return;
    ++reaped_;
    const auto found = claimed_.find(pid);
    if (found == claimed_.end()) {
      if (expecting_ > 0) unclaimed_[pid] = {status_of(raw), reaped_};
      continue;
    }
    const ChildPtr child = found->second;
    claimed_.erase(found);
    child->status_ = status_of(raw);
    child->launch_.reset();
    child->exited_.notify_all();
  }
}

Reaper::Expectation::Expectation(Reaper& reaper) : reaper_(reaper), since_(reaper.reaped_) {
  ++reaper_.expecting_;
}

Reaper::Expectation::~Expectation() {
  if (--reaper_.expecting_ == 0) reaper_.unclaimed_.clear();
}

Result<ChildPtr> Reaper::Expectation::claim(pid_t pid) {
  auto child = std::make_shared<Child>(reaper_.engine_.executor(), pid);
  // A child that is there is meant, whoever had its pid before.
  siginfo_t info{};
  if (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED | WNOHANG | WNOWAIT) == 0) {
    reaper_.claimed_[pid] = child;
    return child;
  }
  const int failure = errno;
  const auto early = reaper_.unclaimed_.find(pid);
  if (early == reaper_.unclaimed_.end() || early->second.order <= since_) {
    return Error(Errc::process_not_found, "process " + std::to_string(pid) + " is not our child", failure);
  }
  child->status_ = early->second.status;
  reaper_.unclaimed_.erase(early);
  return child;
}

}  // namespace gcs::runtime
