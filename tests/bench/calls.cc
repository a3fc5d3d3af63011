#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

#include "tests/bench/pinned.h"
#include "tests/bench/scene.h"

namespace gcs::bench {
namespace {

using host::Message;

constexpr int kInFlight = 64;
constexpr int kAnswerLimitMs = 20000;

/// A host's end of the bridge that only counts: no loop and no JSON, so that what is measured is the agent
/// and not the companion. Ids rise by one from 0.
class PlainBridge {
 public:
  explicit PlainBridge(std::unique_ptr<io::Stream> stream) : stream_(std::move(stream)) {}

  /// Sends the request `count` times, in one piece.
  Result<> send(Message message, std::string_view payload, int count) {
    std::string bytes;
    for (int i = 0; i < count; ++i) bytes += host::encode_frame(host::value(message), next_id_++, payload);
    size_t sent = 0;
    while (sent < bytes.size()) {
      const auto ready = wait(POLLOUT);
      if (!ready) return ready;
      const ssize_t n = ::send(fd(), bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
      if (n < 0) return sys_error("send");
      sent += static_cast<size_t>(n);
    }
    return {};
  }

  /// Waits for at least one answer; gives how many have come whole.
  Result<int> receive() {
    for (;;) {
      std::array<char, 64 * 1024> chunk;
      const auto ready = wait(POLLIN);
      if (!ready) return ready.error();
      const ssize_t n = ::recv(fd(), chunk.data(), chunk.size(), MSG_DONTWAIT);
      if (n < 0) return sys_error("recv");
      if (n == 0) return Error(Errc::disconnected, "the agent closed the bridge");
      bytes_.append(chunk.data(), static_cast<size_t>(n));
      const int answers = take();
      if (answers > 0) return answers;
    }
  }

 private:
  int fd() const { return stream_->native_handle(); }

  /// A recv(2) that blocks would be woken by the agent's reading too, at the agent's expense; poll(2) is not.
  Result<> wait(short events) const {
    pollfd waiting{fd(), events, 0};
    if (::poll(&waiting, 1, kAnswerLimitMs) != 1) return Error(Errc::timed_out, "the agent does not answer");
    return {};
  }

  int take() {
    int answers = 0;
    size_t at = 0;
    while (bytes_.size() - at >= host::kHeaderSize) {
      std::array<std::byte, host::kHeaderSize> bytes{};
      std::memcpy(bytes.data(), bytes_.data() + at, bytes.size());
      const size_t size = host::decode_header(bytes).size;
      if (bytes_.size() - at < size) break;
      at += size;
      ++answers;
    }
    bytes_.erase(0, at);
    return answers;
  }

  std::unique_ptr<io::Stream> stream_;
  std::string bytes_;
  int64_t next_id_ = 0;
};

// Every GCS answers it, with an error, and does nothing else but log that.
constexpr const char* kCheap =
    R"({"ContainerId":"none","ActivityId":"00000000-0000-0000-0000-000000000000","ProcessId":1,"TimeoutInMs":0})";

/// On how many cores host and agent run decides more than the agent does: on two, each message wakes the other core.
struct Placement {
  int agent_core;
  const char* measure;
};
constexpr Placement kPlacements[] = {
    {0, "cheap call (WaitForProcess, unknown container), one core"},
    {1, "the same, host and agent on a core each"},
};

Result<> measure_one_by_one(Bench& bench, const testing::Agent& agent, PlainBridge& bridge, const Placement& placement) {
  const int rounds = bench.settings.count(20000, 200);
  const auto pinned = Pinned::pin(agent, placement.agent_core);
  if (!pinned) {
    bench.table.add_missing(placement.measure, pinned.error().message());
    return {};
  }
  Sample sample;
  const Nanoseconds before = agent.cpu();
  for (int i = 0; i < rounds; ++i) {
    const Stopwatch watch;
    const auto sent = bridge.send(Message::wait_for_process, kCheap, 1);
    if (!sent) return sent.error();
    const auto got = bridge.receive();
    if (!got) return got.error();
    sample.add(watch.elapsed());
  }
  const Nanoseconds cpu = (agent.cpu() - before) / rounds;
  bench.table.add(
      placement.measure,
      "p50 " + readable(sample.quantile(0.5)) + ", p99 " + readable(sample.quantile(0.99)) + ", CPU " + readable(cpu),
      "≤ 30 µs p50, ≤ 12 µs CPU (Go: 90, 60)");
  return {};
}

Result<> measure_in_flight(Bench& bench, const testing::Agent& agent, PlainBridge& bridge) {
  const int rounds = bench.settings.count(200000, 2000);
  const Nanoseconds before = agent.cpu();
  const Stopwatch watch;
  int sent = 0;
  int answered = 0;
  int room = kInFlight;
  while (answered < rounds) {
    const int batch = std::min(room, rounds - sent);
    const auto more = bridge.send(Message::wait_for_process, kCheap, batch);
    if (!more) return more.error();
    sent += batch;
    const auto got = bridge.receive();
    if (!got) return got.error();
    answered += *got;
    room = *got;
  }
  const double rate = rounds / seconds(watch.elapsed());
  const Nanoseconds cpu = (agent.cpu() - before) / rounds;
  bench.table.add(text("the same, %d in flight", kInFlight),
                  text("%.0f k/s, CPU ", rate / 1000) + readable(cpu) + " each", "≥ 5 × Go's (9.5–29 k/s)");
  return {};
}

}  // namespace

io::Task<Result<>> measure_calls(Bench& bench) {
  auto listener = io::make_listener(bench.engine, bench.transport, host::kBridgePort);
  if (!listener) co_return listener.error();
  auto agent = testing::Agent::start(bench.settings.agent);
  if (!agent) co_return agent.error();
  auto stream = co_await accept_agent(bench, **listener);
  if (!stream) co_return stream.error();
  PlainBridge bridge(std::move(*stream));
  const auto asked = bridge.send(Message::negotiate_protocol, R"({"MinimumVersion":4,"MaximumVersion":4})", 1);
  if (!asked) co_return asked.error();
  const auto negotiated = bridge.receive();
  if (!negotiated) co_return negotiated.error();
  for (const Placement& placement : kPlacements) {
    const auto alone = measure_one_by_one(bench, *agent, bridge, placement);
    if (!alone) co_return alone.error();
  }
  const auto together = measure_in_flight(bench, *agent, bridge);
  if (!together) co_return together.error();
  co_return agent->stop();
}

}  // namespace gcs::bench
