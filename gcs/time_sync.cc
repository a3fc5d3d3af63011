#include "gcs/time_sync.h"

#include <fcntl.h>

#include <algorithm>

#include "gcs/hypervisor_clock.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

constexpr std::chrono::milliseconds kFirstPause{500};
constexpr std::chrono::milliseconds kLongestPause = std::chrono::minutes(10);
constexpr std::chrono::seconds kStartLimit{60};

/// The file that chronyd is told to read. The reference clock is read every 8 s, by 4 samples a second, and may step
/// our clock at any time where that is more than 100 ms off (chrony.conf(5)).
Result<> write_config(const TimeSyncSettings& settings, const std::string& device) {
  const std::string text = "refclock PHC " + settings.dev + "/" + device +
                           " poll 3 dpoll -2 offset 0 stratum 2\n"
                           "makestep 0.1 -1\n";
  return io::write_file(settings.config, text, O_CREAT | O_TRUNC | O_NOFOLLOW);
}

/// One chronyd, from its start to its end.
io::Task<Result<runtime::ExitStatus>> run_once(runtime::Reaper& reaper, io::Clock& clock,
                                               const TimeSyncSettings& settings) {
  runtime::Command command;
  command.argv = {settings.program, "-n", "-f", settings.config};
  command.env = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  const auto child = co_await reaper.spawn(std::move(command), clock, clock.now() + kStartLimit);
  if (!child) co_return child.error();
  log::info("chronyd keeps the time", {{"pid", (*child)->pid()}});
  const runtime::Killing at_the_end(*child);
  co_return co_await (*child)->exited();
}

}  // namespace

io::Task<> keep_time(runtime::Reaper& reaper, io::Executor executor, io::Clock& clock, TimeSyncSettings settings) {
  const auto device = find_hypervisor_clock(settings.sysfs);
  const auto written = device ? write_config(settings, *device) : Result<>(device.error());
  if (!written) {
    log::info("chronyd is not started", {{"error", written.error().message()}});
    co_return;
  }
  auto pause = kFirstPause;
  for (;;) {
    const auto began = clock.now();
    const auto ended = co_await run_once(reaper, clock, settings);
    if (co_await io::cancelled()) co_return;
    if (!ended && ended.error().code() == Errc::not_found) {
      log::info("chronyd is not started", {{"error", ended.error().message()}});
      co_return;
    }
    if (clock.now() - began > kLongestPause) pause = kFirstPause;
    const std::string how = ended ? "status " + std::to_string(ended->as_shell()) : ended.error().message();
    log::warn("chronyd has ended, and is started again", {{"error", how}, {"after_ms", pause.count()}});
    co_await io::sleep_until(executor, clock, clock.now() + pause);
    pause = std::min(2 * pause, kLongestPause);
  }
}

}  // namespace gcs
