#pragma once

#include <functional>
#include <string>

#include "stdio/io/clock.h"
#include "stdio/io/condition.h"
#include "stdio/io/stream.h"

namespace gcs::stdio {

/// What the streams need to know of the bridge: an orderly close by the host is deliberate only while a session is up,
/// and nothing is dialled again before there is one whose host has opened the container, for a host listens from then
/// on and accepts once (migration.md 13.8). Owned by the service, set by its session loop; outlives every stream.
class HostLink {
 public:
  using Opened = std::function<bool(const std::string& container_id)>;

  /// `opened` tells whether the present host has named a container.
  HostLink(io::Executor executor, io::Clock& clock, Opened opened = {})
      : changed_(executor, "session"), clock_(clock), opened_(std::move(opened)) {}

  /// A session has been negotiated on this connection, which stays until set_down().
  void set_up(const io::Stream& bridge);
  void set_down();

  /// Asks the connection itself: the session's end is a matter of some turns of the loop after the host's.
  bool is_up() const { return bridge_ != nullptr && !bridge_->hung_up(); }

  /// Counts those that were negotiated.
  uint64_t sessions() const { return sessions_; }

  /// The host listens on the ports of this container's processes; of the VM's own, where the id is empty.
  bool may_dial(const std::string& container_id) const {
    return is_up() && (container_id.empty() || !opened_ || opened_(container_id));
  }
  io::Condition& changed() { return changed_; }

  /// Whether an orderly end that was just seen belongs to an outage, and is none of the stream. A host that dies closes
  /// its connections one after the other: the bridge is given kGrace to follow. And a connection that is older than the
  /// present session, `made_in` being the count of then, ended before it when that is seen within kSettling.
  /// An end that was `due`, because it confirms ours, is not waited with.
  io::Task<bool> is_outage(uint64_t made_in, bool due = false);
  static constexpr std::chrono::milliseconds kGrace{20};
  static constexpr std::chrono::milliseconds kSettling{200};

 private:
  io::Condition changed_;
  io::Clock& clock_;
  Opened opened_;
  io::Clock::TimePoint up_since_{};
  uint64_t sessions_ = 0;
  const io::Stream* bridge_ = nullptr;
};

}  // namespace gcs::stdio
