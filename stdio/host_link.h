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
  explicit HostLink(io::Executor executor, Opened opened = {})
      : changed_(executor, "session"), opened_(std::move(opened)) {}

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

  /// For an orderly end while the session is up. A host that dies closes its connections one after the other, so the
  /// bridge is given kGrace to follow; true when it does, and the end was none of a stream.
  io::Task<bool> goes_down(io::Clock& clock);
  static constexpr std::chrono::milliseconds kGrace{20};

 private:
  io::Condition changed_;
  Opened opened_;
  uint64_t sessions_ = 0;
  const io::Stream* bridge_ = nullptr;
};

}  // namespace gcs::stdio
