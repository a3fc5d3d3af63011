#include "bridge/outbox.h"

#include <algorithm>
#include <bit>

#include "stdio/io/log.h"

namespace gcs::bridge {

namespace {

constexpr size_t kMaxNames = 16384;     // a generation
constexpr size_t kMaxNameLength = 255;  // a container's id is also a directory's name

bool is(const Origin& origin, MessageType type) {
  return origin.type == static_cast<uint32_t>(type);
}
bool is_notification(const Origin& origin) {
  return is(origin, MessageType::notification);
}

/// Order of sacrifice when too much is owed.
constexpr int kMostWorth = 2;
int worth(const Origin& origin) {
  if (is_notification(origin)) return kMostWorth;
  return is(origin, MessageType::wait_for_process) ? 1 : 0;
}

/// After an answer to one of these a host knows how the process fares, and listens for older waits on it.
bool probes(const Origin& origin) {
  return origin.process_id && (is(origin, MessageType::wait_for_process) || is(origin, MessageType::signal_process) ||
                               is(origin, MessageType::resize_console));
}

}  // namespace

Origin origin_of(uint64_t session, const Header& header, const Body& body) {
  Origin origin;
  origin.session = session;
  origin.id = header.id;
  origin.type = header.type;
  origin.container_id = body.base.container_id;
  origin.process_id = body.process_id;
  origin.endless = is(origin, MessageType::wait_for_process) && body.timeout_ms == kForever;
  return origin;
}

Outgoing answer(Origin origin, std::string_view payload) {
  auto frame = std::make_shared<const std::string>(encode_frame(response_type(origin.type), origin.id, payload));
  return Outgoing{std::move(origin), std::move(frame)};
}

Outgoing notification(std::string container_id, std::string_view payload) {
  Origin origin;
  origin.type = static_cast<uint32_t>(MessageType::notification);
  origin.container_id = std::move(container_id);
  auto frame = std::make_shared<const std::string>(encode_frame(origin.type, 0, payload));
  return Outgoing{std::move(origin), std::move(frame)};
}

/// The policy: the table of outbox.h, and all of it.
Outbox::Verdict Outbox::judge(const Entry& entry) const {
  const Origin& origin = entry.out.origin;
  const bool up = session_ != 0 && negotiated_;
  if (is_notification(origin)) return up && entry.released ? Verdict::send : Verdict::hold;
  if (session_ != 0 && origin.session == session_) return Verdict::send;  // the negotiation's own answers among them
  if (is(origin, MessageType::negotiate_protocol)) return Verdict::drop;  // its connection was what it was about
  if (!up) return Verdict::hold;
  if (is_of_present_host(origin)) return Verdict::send;
  if (!is(origin, MessageType::wait_for_process) || entry.superseded) return Verdict::drop;
  if (entry.released) return Verdict::send;  // what is in doubt was on a connection of this very host
  return entry.doubtful ? Verdict::drop : Verdict::hold;
}

void Outbox::session_began(uint64_t session) {
  session_lost();
  session_ = session;
}

void Outbox::negotiated(uint64_t first_id) {
  if (session_ == 0 || negotiated_) return;
  negotiated_ = true;
  if (first_id == 0) {
    host_since_ = session_;
    recent_names_.clear();
    older_names_.clear();
    for (Entry& entry : held_) entry.released = false;
    for (auto& [key, wait] : waits_) wait.released = false;
    supersede_timed_waits();
  }
  const uint64_t stale_before = stale_;
  settle();
  if (stale_ > stale_before) log::info("answers to a former host dropped", {{"count", stale_ - stale_before}});
}

void Outbox::session_lost(bool all_read) {
  std::deque<Entry> unsent = std::exchange(doubtful_, {});
  if (all_read) unsent.clear();
  for (Entry& entry : unsent) entry.doubtful = true;
  for (Entry& entry : in_flight_) unsent.push_back(std::move(entry));
  in_flight_.clear();
  for (Entry& entry : ready_) unsent.push_back(std::move(entry));
  ready_.clear();
  ready_bytes_ = 0;
  const uint64_t lost = std::exchange(session_, 0);
  const bool had_host = std::exchange(negotiated_, false);

  // Older than all that is held, except for frames that this session was not allowed to send.
  for (auto entry = unsent.rbegin(); entry != unsent.rend(); ++entry) {
    const bool refusal = !had_host && entry->out.origin.session == lost;  // to whom, nobody can tell
    if (refusal || judge(*entry) == Verdict::drop) {
      drop(*entry, stale_);
    } else {
      held_bytes_ += entry->out.frame->size();
      held_.push_front(std::move(*entry));
    }
  }
  bound();
}

bool Outbox::saw_request(const Origin& origin) {
  if (!negotiated_ || origin.session != session_) return false;
  if (is(origin, MessageType::wait_for_process) && origin.process_id) {
    waits_.try_emplace(Key{origin.session, origin.id},
                       Wait{origin.container_id, *origin.process_id, origin.endless, false});
  }
  const std::string& name = origin.container_id;
  if (name == kNullId || name.empty() || name.size() > kMaxNameLength) return false;
  const bool known = knows(name);
  recent_names_.insert(name);
  if (recent_names_.size() > kMaxNames) older_names_ = std::exchange(recent_names_, {name});
  if (known) return false;
  for (Entry& entry : held_) {
    if (is_notification(entry.out.origin) && entry.out.origin.container_id == name) entry.released = true;
  }
  settle();
  return true;
}

void Outbox::push(Outgoing outgoing) {
  Entry entry{std::move(outgoing), false};
  const Origin& origin = entry.out.origin;
  if (is_notification(origin)) {
    entry.released = knows(origin.container_id);
  } else if (const auto wait = waits_.find(Key{origin.session, origin.id});
             wait != waits_.end() && is(origin, MessageType::wait_for_process)) {
    entry.released = wait->second.released;
    entry.superseded = wait->second.superseded;
    waits_.erase(wait);
  }
  place(std::move(entry));
}

std::optional<Outgoing> Outbox::next() {
  if (ready_.empty()) return std::nullopt;
  in_flight_.push_back(std::move(ready_.front()));
  ready_.pop_front();
  return in_flight_.back().out;
}

void Outbox::written(const Outgoing& sent) {
  const auto found = std::find_if(in_flight_.begin(), in_flight_.end(),
                                  [&](const Entry& entry) { return entry.out.frame == sent.frame; });
  if (found == in_flight_.end()) return;  // its session was lost meanwhile
  ready_bytes_ -= sent.frame->size();
  doubtful_.push_back(std::move(*found));
  in_flight_.erase(found);
  if (doubtful_.size() > kMaxDoubtful) doubtful_.pop_front();
  const Origin& origin = sent.origin;
  if (probes(origin) && is_of_present_host(origin)) adopt(origin.container_id, *origin.process_id);
}

void Outbox::failed(const Outgoing& unsent) {
  const auto found = std::find_if(in_flight_.begin(), in_flight_.end(),
                                  [&](const Entry& entry) { return entry.out.frame == unsent.frame; });
  ready_.insert(ready_.begin(), std::make_move_iterator(found), std::make_move_iterator(in_flight_.end()));
  in_flight_.erase(found, in_flight_.end());
}

void Outbox::forget(const std::string& container_id) {
  recent_names_.erase(container_id);
  older_names_.erase(container_id);
  std::erase_if(held_, [&](const Entry& entry) {
    const bool obsolete = is_notification(entry.out.origin) && entry.out.origin.container_id == container_id;
    if (obsolete) held_bytes_ -= entry.out.frame->size();
    return obsolete;
  });
}

bool Outbox::knows(const std::string& container_id) const {
  return recent_names_.contains(container_id) || older_names_.contains(container_id);
}

void Outbox::place(Entry entry) {
  switch (judge(entry)) {
    case Verdict::send: {
      const bool first = is(entry.out.origin, MessageType::negotiate_protocol);
      make_ready(std::move(entry), first);
      break;
    }
    case Verdict::hold:
      held_bytes_ += entry.out.frame->size();
      held_.push_back(std::move(entry));
      bound();
      break;
    case Verdict::drop: drop(entry, stale_); break;
  }
}

/// Judges again what is held, after an event that may have changed a verdict.
void Outbox::settle() {
  std::deque<Entry> before = std::exchange(held_, {});
  held_bytes_ = 0;
  for (Entry& entry : before) place(std::move(entry));
}

/// What a host saves for its successor is the wait that has no limit. Timed ones may have been a former successor's own
/// probes, and count only where there is no such.
void Outbox::supersede_timed_waits() {
  std::set<std::pair<std::string, uint32_t>> endless;
  for (const auto& [key, wait] : waits_) {
    if (wait.endless) endless.emplace(wait.container_id, wait.process_id);
  }
  for (const Entry& entry : held_) {
    const Origin& origin = entry.out.origin;
    if (is(origin, MessageType::wait_for_process) && origin.endless)
      endless.emplace(origin.container_id, *origin.process_id);
  }
  for (auto& [key, wait] : waits_) {
    if (!wait.endless && endless.contains({wait.container_id, wait.process_id})) wait.superseded = true;
  }
  for (Entry& entry : held_) {
    const Origin& origin = entry.out.origin;
    const bool timed = is(origin, MessageType::wait_for_process) && origin.process_id && !origin.endless;
    if (timed && endless.contains({origin.container_id, *origin.process_id})) entry.superseded = true;
  }
}

/// The present host has been answered about this process, so it listens for the wait that it took over.
void Outbox::adopt(const std::string& container_id, uint32_t process_id) {
  bool any = false;
  for (auto wait = waits_.begin(); wait != waits_.end() && wait->first.first < host_since_; ++wait) {
    Wait& open = wait->second;
    if (open.container_id == container_id && open.process_id == process_id) open.released = true;
  }
  for (Entry& entry : held_) {
    const Origin& origin = entry.out.origin;
    if (!is(origin, MessageType::wait_for_process) || is_of_present_host(origin)) continue;
    if (origin.container_id != container_id || origin.process_id != process_id) continue;
    entry.released = any = true;
  }
  if (any) settle();
}

void Outbox::make_ready(Entry entry, bool first) {
  ready_bytes_ += entry.out.frame->size();
  if (first) {
    ready_.push_front(std::move(entry));
  } else {
    ready_.push_back(std::move(entry));
  }
}

void Outbox::drop(const Entry& entry, uint64_t& counter) {
  ++counter;
  if (!log::enabled(log::Level::debug)) return;
  log::debug(
      "frame dropped",
      {{"session", entry.out.origin.session}, {"id", entry.out.origin.id}, {"type", name_of(entry.out.origin.type)}});
}

/// One pass for each worth, for there may be thousands too many.
void Outbox::bound() {
  const uint64_t before = overflown_;
  for (int least = 0; least <= kMostWorth; ++least) {
    size_t count = held_.size();
    if (count <= kMaxOwed && held_bytes_ <= kMaxOwedBytes) break;
    std::erase_if(held_, [&](const Entry& entry) {
      const bool too_much = count > kMaxOwed || held_bytes_ > kMaxOwedBytes;
      if (!too_much || worth(entry.out.origin) != least) return false;
      held_bytes_ -= entry.out.frame->size();
      --count;
      drop(entry, overflown_);
      return true;
    });
  }
  if (std::bit_width(overflown_) > std::bit_width(before))
    log::warn("too many answers owed", {{"dropped", overflown_}});
}

}  // namespace gcs::bridge
