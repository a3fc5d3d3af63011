#include "tests/bench/plain_bridge.h"

#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cstring>

namespace gcs::bench {
namespace {

using host::Message;

constexpr int kAnswerLimitMs = 20000;

}  // namespace

Result<> PlainBridge::negotiate() {
  const auto asked = send(Message::negotiate_protocol, R"({"MinimumVersion":4,"MaximumVersion":4})", 1);
  if (!asked) return asked;
  const auto answered = receive();
  if (!answered) return answered.error();
  return {};
}

Result<> PlainBridge::send(Message message, std::string_view payload, int count) {
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

Result<int> PlainBridge::receive() {
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

Result<Nanoseconds> PlainBridge::time_call() {
  const Stopwatch watch;
  const auto sent = send(Message::wait_for_process, kCheap, 1);
  if (!sent) return sent.error();
  const auto got = receive();
  if (!got) return got.error();
  return watch.elapsed();
}

/// A recv(2) that blocks would be woken by the agent's reading too, at the agent's expense; poll(2) is not.
Result<> PlainBridge::wait(short events) const {
  pollfd waiting{fd(), events, 0};
  if (::poll(&waiting, 1, kAnswerLimitMs) != 1) return Error(Errc::timed_out, "the agent does not answer");
  return {};
}

int PlainBridge::take() {
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

}  // namespace gcs::bench
