#include "tests/host/signals.h"

#include <signal.h>
#include <sys/signalfd.h>

namespace gcs::host {

Result<Signals> Signals::block(io::Engine& engine, std::initializer_list<int> numbers) {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int number : numbers) ::sigaddset(&set, number);
  if (::sigprocmask(SIG_BLOCK, &set, nullptr) != 0) return sys_error("block signals");
  io::Fd fd(::signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return sys_error("signalfd");
  return Signals(engine.adopt(std::move(fd)));
}

io::Task<> Signals::deliver() {
  for (;;) {
    signalfd_siginfo info{};
    const auto got = co_await stream_->read_some(std::as_writable_bytes(std::span(&info, 1)));
    if (!got) co_return;
    const Handler handler = handler_;  // the call may exchange it
    if (handler) handler(static_cast<int>(info.ssi_signo));
  }
}

}  // namespace gcs::host
