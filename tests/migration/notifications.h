#pragma once

#include <deque>
#include <memory>
#include <vector>

#include "proto/migration.pb.h"
#include "stdio/io/condition.h"
#include "tests/migration/vm.h"

namespace gcs::migration {

/// What time it is, for people: injected, as the clock is.
using WallClock = std::function<std::chrono::system_clock::time_point()>;

/// The events of one session, numbered from 1, for any number of subscribers. Nobody is waited for: a subscriber that
/// has kQueue events unread misses what comes then, and sees it by the gap in the numbers.
///
/// A new subscriber first gets the latest event again. What happened while there was no subscriber at all, as before
/// the first one, is kept for the next one instead: the last kQueue events. Loop thread only.
class Notifications {
 public:
  static constexpr size_t kQueue = 64;

  class Subscription;

  /// `origin` is this side's. The events' start_time is the moment of this call.
  Notifications(io::Executor executor, WallClock wall, Origin origin);
  ~Notifications() { close(); }
  Notifications(const Notifications&) = delete;
  Notifications& operator=(const Notifications&) = delete;

  void publish(const VmEvent& event);

  /// Never waits. May be kept when this object is gone; ends then.
  std::shared_ptr<Subscription> subscribe();

  /// Ends every subscription once it has given what waits in it.
  void close();

  bool has_subscribers() const;

  /// Called whenever a subscriber has gone; an empty one ends that.
  void on_unsubscribed(std::function<void()> listener);

 private:
  struct Hub;

  io::Executor executor_;
  WallClock wall_;
  Origin origin_;
  std::chrono::system_clock::time_point start_;
  uint32_t last_id_ = 0;
  std::deque<NotificationsResponse> unheard_;  // nobody was there
  std::shared_ptr<Hub> hub_;
};

/// One client's stream of events; ends when it is destroyed.
class Notifications::Subscription {
 public:
  Subscription(io::Executor executor, std::shared_ptr<Hub> hub);
  ~Subscription();
  Subscription(const Subscription&) = delete;
  Subscription& operator=(const Subscription&) = delete;

  /// The next event; nothing at the end of the session. One caller at a time.
  io::Task<std::optional<NotificationsResponse>> next();

 private:
  friend class Notifications;
  void offer(const NotificationsResponse& event);

  std::shared_ptr<Hub> hub_;
  std::deque<NotificationsResponse> queue_;
  bool ended_ = false;
  io::Condition changed_;
};

/// An event as the service tells it (migration.md 10). An event without a state is a success, up to
/// PHASE_BLACKOUT_EXITED.
Notification to_notification(const VmEvent& event, Origin origin);

}  // namespace gcs::migration
