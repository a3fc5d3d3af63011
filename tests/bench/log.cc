#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cstring>
#include <thread>

#include "stdio/io/fd.h"
#include "tests/bench/pinned.h"
#include "tests/bench/plain_bridge.h"

namespace gcs::bench {
namespace {

constexpr io::Port kLogPort = 109;

/// A host that takes the agent's log, on a thread of its own. Its connection ends with the agent.
class LogReader {
 public:
  static Result<std::unique_ptr<LogReader>> listen(const io::TransportName& transport) {
    io::Fd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!socket) return sys_error("log socket");
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const std::string path = transport.path + "_" + std::to_string(kLogPort);
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    ::unlink(path.c_str());
    if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
        ::listen(socket.get(), 1) != 0) {
      return sys_error("listen on " + path);
    }
    return std::unique_ptr<LogReader>(new LogReader(std::move(socket), path));
  }

  ~LogReader() {
    ::shutdown(listener_.get(), SHUT_RDWR);  // ends accept(2)
    if (thread_.joinable()) thread_.join();
    ::unlink(path_.c_str());
  }

  /// To be asked once the agent has ended.
  uint64_t bytes() {
    if (thread_.joinable()) thread_.join();
    return bytes_;
  }

 private:
  LogReader(io::Fd listener, std::string path)
      : listener_(std::move(listener)), path_(std::move(path)), thread_([this] { read(); }) {}

  void read() {
    const io::Fd connection(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!connection) return;
    std::array<char, 64 * 1024> buffer;
    for (;;) {
      const ssize_t n = ::read(connection.get(), buffer.data(), buffer.size());
      if (n <= 0) return;
      bytes_ += static_cast<uint64_t>(n);
    }
  }

  io::Fd listener_;
  std::string path_;
  uint64_t bytes_ = 0;
  std::thread thread_;
};

Nanoseconds duration_of(const Settings& settings) {
  if (settings.minute) return std::chrono::minutes(1);
  return settings.quick ? std::chrono::milliseconds(100) : std::chrono::seconds(3);
}

struct Scenario {
  bool listened;
  const char* measure;
  const char* limit;
};
constexpr Scenario kScenarios[] = {
    {true, "cheap call at debug level, one core, log port read", ""},
    {false, "the same, nobody listens on the log port", "as with a reader: logging never blocks"},
};

/// Calls one after the other, for a time in which the log's queue would fill many times over.
Result<> time_calls(Bench& bench, const testing::Agent& agent, PlainBridge& bridge, const Scenario& scenario) {
  const auto pinned = Pinned::pin(agent, 0);
  if (!pinned) return pinned.error();
  const auto duration = duration_of(bench.settings);
  Sample sample;
  for (const Stopwatch watch; watch.elapsed() < duration;) {
    const auto time = bridge.time_call();
    if (!time) return time.error();
    sample.add(*time);
  }
  bench.table.add(scenario.measure,
                  "p50 " + readable(sample.quantile(0.5)) + ", p99 " + readable(sample.quantile(0.99)) +
                      text(", %zu calls", sample.size()),
                  scenario.limit);
  return {};
}

io::Task<Result<>> play(Bench& bench, Scenario scenario) {
  auto listener = io::make_listener(bench.engine, bench.transport, host::kBridgePort);
  if (!listener) co_return listener.error();
  std::unique_ptr<LogReader> reader;
  if (scenario.listened) {
    auto listening = LogReader::listen(bench.transport);
    if (!listening) co_return listening.error();
    reader = std::move(*listening);
  }
  testing::AgentSettings settings = bench.settings.agent;
  const std::string port = std::to_string(kLogPort);
  settings.flags.push_back("-log-port=" + port);
  settings.flags.push_back("-logfile=");
  auto agent = testing::Agent::start(settings);
  if (!agent) co_return agent.error();
  auto stream = co_await accept_agent(bench, **listener);
  if (!stream) co_return stream.error();
  PlainBridge bridge(std::move(*stream));
  const auto negotiated = bridge.negotiate();
  if (!negotiated) co_return negotiated.error();
  const auto timed = time_calls(bench, *agent, bridge, scenario);
  if (!timed) co_return timed;
  const auto stopped = agent->stop();
  if (stopped && reader && reader->bytes() == 0) co_return Error(Errc::internal, "nothing came on the log port");
  co_return stopped;
}

}  // namespace

io::Task<Result<>> measure_log(Bench& bench) {
  for (const Scenario& scenario : kScenarios) {
    const auto played = co_await play(bench, scenario);
    if (!played) co_return played.error().within(scenario.measure);
  }
  co_return Result<>();
}

}  // namespace gcs::bench
