#include "gcs/signals.h"

#include <sys/signalfd.h>

#include <csignal>

#include "stdio/io/log.h"

namespace gcs {

Result<> SignalWatch::start(std::function<void()> on_end) {
  on_end_ = std::move(on_end);
  ::signal(SIGPIPE, SIG_IGN);
  sigset_t wanted;
  ::sigemptyset(&wanted);
  for (const int signal : {SIGTERM, SIGINT, SIGUSR1}) ::sigaddset(&wanted, signal);
  if (::sigprocmask(SIG_BLOCK, &wanted, nullptr) != 0) return sys_error("block signals");
  io::Fd fd(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd) return sys_error("signalfd");
  signals_ = engine_.adopt(std::move(fd));
  group_.spawn("signals", watch());
  return {};
}

io::Task<> SignalWatch::watch() {
  for (;;) {
    signalfd_siginfo info{};
    const auto n = co_await signals_->read_some(io::MutableBytes(reinterpret_cast<std::byte*>(&info), sizeof info));
    if (!n) co_return;
    if (info.ssi_signo == SIGUSR1) {
      for (const std::string& task : io::live_tasks()) log::info("live task", {{"task", task}});
    } else {
      log::info("ended by signal", {{"signal", info.ssi_signo}});
      on_end_();
    }
  }
}

io::Task<> SignalWatch::stop() {
  group_.cancel();
  co_await group_.join();
}

}  // namespace gcs
