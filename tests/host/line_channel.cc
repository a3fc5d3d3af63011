#include "tests/host/line_channel.h"

#include <array>
#include <nlohmann/json.hpp>

namespace gcs::host {
namespace {

// A request may be as long as a frame of 16 MiB.
constexpr size_t kMaxLine = 20u << 20;

}  // namespace

void LineChannel::send(const json& value) {
  out_.push_back(to_text(value) + "\n");
  more_.notify_all();
}

io::Task<> LineChannel::write(std::shared_ptr<LineChannel> channel) {
  auto anything = [&channel] { return channel->closed_ || !channel->out_.empty(); };
  for (;;) {
    co_await channel->more_.wait(anything);
    if (channel->closed_) co_return;
    const std::string line = std::move(channel->out_.front());
    channel->out_.pop_front();
    const auto written = co_await io::write_all(*channel->stream_, io::as_bytes(line));
    if (!written) co_return channel->close();
  }
}

io::Task<Result<json>> LineChannel::next() {
  std::array<char, 4096> buffer;
  for (;;) {
    const size_t end = in_.find('\n');
    if (end != std::string::npos) {
      auto value = parse_json(std::string_view(in_).substr(0, end));
      in_.erase(0, end + 1);
      if (!value || !value->is_object()) co_return Error(Errc::malformed, "a control line is no JSON object");
      co_return std::move(*value);
    }
    if (in_.size() > kMaxLine) co_return Error(Errc::malformed, "a control line is too long");
    const auto got = co_await stream_->read_some(std::as_writable_bytes(std::span(buffer)));
    if (!got) co_return got.error();
    if (*got == 0) co_return Error(Errc::disconnected, "the control connection is closed");
    in_.append(buffer.data(), *got);
  }
}

void LineChannel::close() {
  if (closed_) return;
  closed_ = true;
  stream_->shut_down();
  more_.notify_all();
}

}  // namespace gcs::host
