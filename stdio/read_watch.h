#pragma once

#include <functional>

#include "stdio/io/clock.h"
#include "stdio/slot.h"

namespace gcs::stdio {

/// Finds out when the host has read what a stream has sent it. Owned by the pump that keeps what was sent.
class ReadWatch {
 public:
  /// `all_read` is called by a look_later(), from the loop.
  ReadWatch(io::Clock& clock, std::function<void()> all_read) : clock_(clock), all_read_(std::move(all_read)) {}

  /// The transport says so. What a peer that has gone had not read went with it: the count is then 0 as well.
  static bool has_read_all(const io::Stream& conn) { return conn.unread() == size_t{0} && !conn.hung_up(); }

  /// Something was sent to it just now.
  void sent(const Conn& conn);

  /// Looks again and again, until all is read or stop().
  void look_later();
  void stop() { next_look_ = {}; }

 private:
  void look();

  io::Clock& clock_;
  std::function<void()> all_read_;
  std::weak_ptr<io::Stream> conn_;
  io::Clock::TimePoint sent_at_{};
  io::Alarm next_look_;
};

}  // namespace gcs::stdio
