#include "tests/host/attend.h"

#include <signal.h>
#include <unistd.h>

#include <deque>
#include <optional>

#include "stdio/io/log.h"
#include "tests/host/attachment.h"
#include "tests/host/local_stream.h"
#include "tests/host/terminal.h"

namespace gcs::host {
namespace {

constexpr int kKillAfter = 3;
constexpr int kGiveUpAfter = 5;

LocalStreams local_streams(io::Engine& engine, const Process& process, const Caller& caller) {
  LocalStreams local;
  if (process.in) local.in = open_local(engine, caller.in, Direction::input);
  if (process.out) local.out = open_local(engine, caller.out, Direction::output);
  if (process.err) local.err = open_local(engine, caller.err, Direction::output);
  return local;
}

/// One process while the caller waits for it.
class Attendance {
 public:
  Attendance(Host& host, Process& process, const Caller& caller, bool terminal)
      : process_(process),
        caller_(caller),
        terminal_(terminal),
        attachment_(host.engine(), host.clock(), process, local_streams(host.engine(), process, caller)),
        over_(host.engine().executor(), "the process's end"),
        signalled_(host.engine().executor(), "signals"),
        group_(host.engine().executor()) {}

  io::Task<Result<uint32_t>> run() {
    if (terminal_ && process_.in && ::isatty(caller_.in) == 1) {
      auto raw = RawTerminal::enter(caller_.in);
      if (!raw) co_return raw.error();
      raw_.emplace(std::move(*raw));
    }
    attachment_.start();
    if (terminal_) group_.spawn("resize", resize());
    group_.spawn("signals", pass_signals());
    auto note = [this](int number) { note_signal(number); };
    Signals::Handler before;
    if (caller_.signals != nullptr) before = caller_.signals->exchange(note);
    group_.spawn("exit", await_exit());
    auto known = [this] { return result_.has_value(); };
    co_await over_.wait(known);
    if (caller_.signals != nullptr) caller_.signals->exchange(before);
    group_.cancel();
    co_await group_.join();
    co_await attachment_.stop();
    raw_.reset();
    co_return *result_;
  }

 private:
  io::Task<> await_exit() {
    auto code = co_await attachment_.finished();
    finish(std::move(code));
  }

  void finish(Result<uint32_t> result) {
    if (!result_) result_.emplace(std::move(result));
    over_.notify_all();
  }

  io::Task<> resize() {
    const auto size = console_size(caller_.out) ? console_size(caller_.out) : console_size(caller_.in);
    if (!size) co_return;
    const auto resized = co_await process_.resize(size->height, size->width);
    discard(resized, "the process may have ended, or its terminal may be closed");
  }

  void note_signal(int number) {
    if (number == SIGINT || number == SIGTERM) ++urged_;
    if (urged_ >= kGiveUpAfter) finish(static_cast<uint32_t>(128 + number));
    if (urged_ >= kKillAfter) number = SIGKILL;
    arrived_.push_back(number);
    signalled_.notify_all();
  }

  io::Task<> pass_signals() {
    auto any = [this] { return !arrived_.empty(); };
    for (;;) {
      co_await signalled_.wait(any);
      const int number = arrived_.front();
      arrived_.pop_front();
      if (number == SIGCONT && raw_) raw_->reenter();
      if (number == SIGWINCH || number == SIGCONT) {
        if (terminal_) co_await resize();
        continue;
      }
      const auto passed = co_await process_.signal(number);
      if (!passed) log::debug("signal not delivered", {{"signal", number}, {"error", passed.error().message()}});
    }
  }

  Process& process_;
  const Caller& caller_;
  bool terminal_;
  std::optional<RawTerminal> raw_;
  std::optional<Result<uint32_t>> result_;
  int urged_ = 0;
  std::deque<int> arrived_;
  Attachment attachment_;
  io::Condition over_;
  io::Condition signalled_;
  io::TaskGroup group_;
};

}  // namespace

std::initializer_list<int> forwarded_signals() {
  static const std::initializer_list<int> kNumbers = {SIGINT,  SIGTERM, SIGHUP,   SIGQUIT,
                                                      SIGUSR1, SIGUSR2, SIGWINCH, SIGCONT};
  return kNumbers;
}

io::Task<Result<uint32_t>> attend(Host& host, Process& process, const Caller& caller, bool terminal) {
  Attendance attendance(host, process, caller, terminal);
  co_return co_await attendance.run();
}

}  // namespace gcs::host
