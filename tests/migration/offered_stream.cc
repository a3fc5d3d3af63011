#include "tests/migration/offered_stream.h"

#include <algorithm>
#include <chrono>

#include "stdio/io/log.h"

namespace gcs::migration {
namespace {

// The first is short, for the guest dials for 15 s at most; the last is what a log can bear.
constexpr std::chrono::milliseconds kFirstPause{10};
constexpr std::chrono::milliseconds kLongestPause{5000};

}  // namespace

OfferedStream::OfferedStream(io::Clock& clock, io::TaskGroup& group, host::StreamUser* user,
                             std::function<bool()> wanted)
    : clock_(clock), group_(group), user_(user), wanted_(std::move(wanted)) {}

void OfferedStream::parted(host::Parting how, size_t unread) {
  user_->parted(how, unread);
  offer();
}

void OfferedStream::offer() {
  if (end_ == nullptr || trying_ || given_up_ || !wanted_()) return;
  const auto opened = end_->reopen();
  if (opened) return;
  log::warn("a stream cannot be offered again yet", {{"port", end_->port()}, {"error", opened.error().message()}});
  trying_ = true;
  group_.spawn("stream " + std::to_string(end_->port()) + " offered again", try_again());
}

io::Task<> OfferedStream::try_again() {
  auto pause = kFirstPause;
  while (!given_up_ && wanted_()) {
    co_await io::sleep_until(group_.executor(), clock_, clock_.now() + pause);
    pause = std::min(2 * pause, kLongestPause);
    if (given_up_ || !wanted_()) break;
    if (end_->reopen()) {
      trying_ = false;
      co_return log::info("a stream is offered again", {{"port", end_->port()}});
    }
  }
  trying_ = false;
  if (!given_up_) log::warn("a stream is given up: it is not wanted here any more", {{"port", end_->port()}});
}

void OfferedStream::give_up() {
  if (trying_ && !given_up_) log::warn("a stream is given up with its container", {{"port", end_->port()}});
  given_up_ = true;
}

}  // namespace gcs::migration
