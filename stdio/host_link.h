#pragma once

#include "stdio/io/condition.h"

namespace gcs::stdio {

/// Whether a session is up, as the streams need to know it: an orderly close by the host is deliberate only while the
/// bridge is healthy, and nothing is dialled without a session. Owned by the service, set by its session loop; outlives
/// every stream.
class HostLink {
 public:
  explicit HostLink(io::Executor executor) : changed_(executor, "session") {}

  void set_up(bool up) {
    up_ = up;
    changed_.notify_all();
  }
  bool is_up() const { return up_; }
  io::Condition& changed() { return changed_; }

 private:
  io::Condition changed_;
  bool up_ = false;
};

}  // namespace gcs::stdio
