#include <fcntl.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "gcs/core_pattern.h"
#include "gcs/init.h"
#include "gcs/options.h"
#include "gcs/power_off.h"
#include "gcs/service.h"
#include "gcs/signals.h"
#include "gcs/terminate.h"
#include "runtime/child.h"
#include "stdio/io/log.h"
#include "stdio/io/log_output.h"
#include "stdio/io/vsock.h"

namespace gcs {
namespace {

constexpr const char* kVersion = "gcs 0.1.0";

/// With a log port stderr gets nothing, not even before the port is there: the wrapper that reads it otherwise is the
/// one that the port makes needless, and what is left is a slow console. A file that was asked for is written all the
/// same.
Result<> open_log(const Options& options) {
  int fd = options.log_port == 0 ? STDERR_FILENO : -1;
  if (!options.log_file.empty()) {
    auto file = io::open_file(options.log_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (!file) return file.error().within("-logfile");
    fd = file->release();  // for the life of the process
  }
  log::configure(options.log_level, options.log_format, fd);
  if (options.log_port != 0) log::keep_for_port();
  if (options.initial_policy_stance == PolicyStance::deny) log::mute(true);
  for (const std::string& word : options.ignored) log::warn("an argument is ignored", {{"argument", word}});
  return {};
}

Result<> serve(const Options& options) {
  const auto logging = open_log(options);
  if (!logging) return logging;
  const auto core = set_core_pattern(options.core_dump_location);
  if (!core) return core;
  runtime::raise_descriptor_limit();
  auto loop = io::Loop::create(options.engine);
  if (!loop) return loop.error();

  Service service(options, **loop);
  SignalWatch signals((*loop)->engine());
  service.on_power_off([&ended = **loop] {
    power_off();
    ended.stop();
  });
  service.on_end([&ended = **loop] { ended.stop(); });
  const auto watching = signals.start([&ended = **loop] { ended.stop(); });
  if (!watching) return watching;
  const auto started = service.start();
  if (started) (*loop)->run();

  io::TaskGroup ending((*loop)->executor());
  ending.spawn("stop", service.stop());
  ending.spawn("stop signals", signals.stop());
  (*loop)->run_until([&ending] { return ending.size() == 0; });
  return started;
}

/// Where the log goes; to a log port, which nobody dials any more, by a connection made for it.
void tell_end(const Options& options, const Error& error) {
  constexpr std::chrono::seconds kConnectLimit{2};
  if (options.log_port != 0) {
    auto host = options.transport.is_vsock
                    ? io::vsock_connect_blocking(options.host_cid, options.log_port, kConnectLimit)
                    : Result<io::Fd>(Error(Errc::unsupported, "no vsock"));
    const int fd = host ? host->release() : STDERR_FILENO;
    log::configure(options.log_level, host ? log::Format::json : options.log_format, fd);
  }
  log::write(log::Level::fatal, "gcs ends", {{"error", error.message()}});
}

int run(int argc, char** argv) {
  if (is_init(argc, argv)) return run_init(argc, argv);
  const auto options = parse_options(argc, argv);
  if (!options) {
    std::fprintf(stderr, "gcs: %s\n", options.error().message().c_str());
    return 2;
  }
  switch (options->action) {
    case Options::Action::print_version: std::puts(kVersion); return 0;
    case Options::Action::print_usage: std::fputs(usage().c_str(), stdout); return 0;
    case Options::Action::serve: break;
  }
  log_before_terminating();
  const auto served = serve(*options);
  if (served) return 0;
  tell_end(*options, served.error());
  return 1;
}

}  // namespace
}  // namespace gcs

int main(int argc, char** argv) {
  return gcs::run(argc, argv);
}
