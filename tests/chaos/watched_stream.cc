#include "tests/chaos/watched_stream.h"

namespace gcs::chaos {
namespace {

using host::Parting;

const char* word(Parting how) {
  switch (how) {
    case Parting::finished: return "finished";
    case Parting::broken: return "broken by the agent";
    case Parting::cut: return "cut";
    case Parting::reset: return "reset";
    case Parting::untaken: return "not taken";
  }
  return "";
}

std::string sized(uint64_t count) {
  return std::to_string(count) + " bytes";
}

}  // namespace

void WatchedStream::took(std::string_view data) {
  bytes_ += data.size();
  checker_.take(data);
  judge();
}

void WatchedStream::parted(Parting how, size_t unread) {
  checker_.connection_ended();
  judge();
  last_parting_ = word(how) + std::string(" with ") + sized(unread) + " unread";
  switch (how) {
    case Parting::finished: break;
    case Parting::cut: allow(unread); break;
    case Parting::broken:  // what the agent did with its last bytes, nobody knows
    case Parting::reset:
    case Parting::untaken: allow(kConnectionBound); break;
  }
  allow(checker_.undetermined() - std::exchange(undetermined_, checker_.undetermined()));
  doubling_allowed_ += kConnectionBound;
}

void WatchedStream::allow(uint64_t loss) {
  loss_allowed_ += loss;
  allowed_in_all_ += loss;
}

void WatchedStream::judge() {
  while (judged_ < checker_.jumps().size()) judge(checker_.jumps()[judged_++]);
  if (checker_.located()) loss_allowed_ = doubling_allowed_ = 0;
}

void WatchedStream::judge(const testing::NumberedStream::Jump& jump) {
  const bool forward = jump.came > jump.highest;
  const uint64_t lost = forward ? jump.came - jump.highest : 0;
  const uint64_t doubled = jump.came < jump.due ? jump.due - jump.came : 0;
  if (echo_ && forward) return;  // judged in all, at the end
  if (!jump.at_start) return broken(Invariant::order, jump, "jump within a connection");
  if (promise_ == Promise::exact) return broken(Invariant::quiet_streams, jump, "jump of a quiet stream");
  if (promise_ == Promise::no_loss) {
    if (lost > 0) broken(Invariant::init_loss, jump, sized(lost) + " lost");
    if (doubled > doubling_allowed_) broken(Invariant::init_doubling, jump, sized(doubled) + " repeated");
  } else {
    if (doubled > 0) broken(Invariant::other_doubling, jump, sized(doubled) + " repeated");
    if (lost > loss_allowed_) {
      broken(Invariant::other_loss, jump, sized(lost) + " lost, " + sized(loss_allowed_) + " died unread");
    }
  }
}

void WatchedStream::ended(std::optional<uint64_t> size) {
  const uint64_t allowed = loss_allowed_ + (checker_.undetermined() - undetermined_);
  checker_.connection_ended();
  judge();
  if (checker_.unreadable() > (echo_ ? allowed_in_all_ : 0)) {
    verdict_.broken(Invariant::order, name_ + ": " + sized(checker_.unreadable()) + " are not of the stream");
  }
  if (!size) return;
  const uint64_t missing = *size > position() ? *size - position() : 0;
  if (position() > *size) {
    verdict_.broken(Invariant::stream_ends, name_ + ": " + sized(position() - *size) + " more than were written");
  }
  if (echo_ || missing == 0) return;
  if (promise_ == Promise::no_doubling && missing <= allowed) return;
  verdict_.broken(Invariant::stream_ends, name_ + ": the last " + sized(missing) + " of " + sized(*size) +
                                              " did not come, " + sized(allowed) +
                                              " died unread; last connection: " + last_parting_);
}

uint64_t WatchedStream::doubled_bytes() const {
  uint64_t sum = 0;
  for (const auto& range : checker_.doubled()) sum += range.to - range.from;
  return sum;
}

uint64_t WatchedStream::lost_bytes() const {
  uint64_t sum = 0;
  for (const auto& range : checker_.lost()) sum += range.to - range.from;
  return sum;
}

void WatchedStream::broken(Invariant invariant, const testing::NumberedStream::Jump& jump, const std::string& what) {
  verdict_.broken(invariant, name_ + ": " + what + ": connection " + std::to_string(jump.connection) + " came with " +
                                 std::to_string(jump.came) + " where " + std::to_string(jump.due) +
                                 " was due; the one before: " + last_parting_);
}

}  // namespace gcs::chaos
