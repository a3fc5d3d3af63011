#include "tests/migration/notifications.h"

#include <google/protobuf/timestamp.pb.h>

#include <algorithm>

namespace gcs::migration {
namespace {

void set_time(google::protobuf::Timestamp& to, std::chrono::system_clock::time_point from) {
  const auto seconds = std::chrono::floor<std::chrono::seconds>(from);
  to.set_seconds(seconds.time_since_epoch().count());
  to.set_nanos(static_cast<int32_t>(std::chrono::nanoseconds(from - seconds).count()));
}

PhaseState state_of(const VmEvent& event, Origin origin) {
  if (event.phase == PHASE_FAILED && (event.state == PHASE_STATE_SUCCESS || event.state == PHASE_STATE_UNSPECIFIED)) {
    return origin == ORIGIN_SOURCE ? PHASE_STATE_SOURCE_FAILED : PHASE_STATE_DESTINATION_FAILED;
  }
  const bool on_the_way = event.phase >= PHASE_SETUP_DONE && event.phase <= PHASE_BLACKOUT_EXITED;
  if (event.state == PHASE_STATE_UNSPECIFIED && on_the_way) return PHASE_STATE_SUCCESS;
  return event.state;
}

}  // namespace

Notification to_notification(const VmEvent& event, Origin origin) {
  Notification notification;
  notification.set_origin(origin);
  notification.set_phase(event.phase);
  notification.set_state(state_of(event, origin));
  if (event.phase == PHASE_BLACKOUT_EXITED && event.blackout) {
    auto& details = *notification.mutable_blackout_exited();
    details.set_blackout_duration_milliseconds(static_cast<uint64_t>(std::max<int64_t>(0, event.blackout->count())));
    set_time(*details.mutable_blackout_stop_timestamp(), event.when);
  }
  return notification;
}

/// Shared with the subscriptions, which may outlive the session.
struct Notifications::Hub {
  std::vector<Subscription*> subscribers;
  std::optional<NotificationsResponse> latest;
  std::function<void()> unsubscribed;
  bool closed = false;
};

Notifications::Notifications(io::Executor executor, WallClock wall, Origin origin)
    : executor_(executor), wall_(std::move(wall)), origin_(origin), start_(wall_()), hub_(std::make_shared<Hub>()) {}

void Notifications::publish(const VmEvent& event) {
  if (hub_->closed) return;
  VmEvent dated = event;
  if (dated.when == std::chrono::system_clock::time_point()) dated.when = wall_();
  NotificationsResponse response;
  response.set_message_id(++last_id_);
  *response.mutable_notification() = to_notification(dated, origin_);
  set_time(*response.mutable_start_time(), start_);
  set_time(*response.mutable_update_time(), dated.when);
  for (Subscription* subscriber : hub_->subscribers) subscriber->offer(response);
  if (hub_->subscribers.empty()) {
    if (unheard_.size() == kQueue) unheard_.pop_front();
    unheard_.push_back(response);
  }
  hub_->latest = std::move(response);
}

std::shared_ptr<Notifications::Subscription> Notifications::subscribe() {
  auto subscription = std::make_shared<Subscription>(executor_, hub_);
  if (!unheard_.empty()) {
    subscription->queue_.swap(unheard_);
  } else if (hub_->latest) {
    subscription->queue_.push_back(*hub_->latest);
  }
  subscription->ended_ = hub_->closed;
  return subscription;
}

void Notifications::close() {
  hub_->closed = true;
  hub_->unsubscribed = nullptr;
  for (Subscription* subscriber : hub_->subscribers) {
    subscriber->ended_ = true;
    subscriber->changed_.notify_all();
  }
}

bool Notifications::has_subscribers() const {
  return !hub_->subscribers.empty();
}

void Notifications::on_unsubscribed(std::function<void()> listener) {
  hub_->unsubscribed = std::move(listener);
}

Notifications::Subscription::Subscription(io::Executor executor, std::shared_ptr<Hub> hub)
    : hub_(std::move(hub)), changed_(executor, "migration event") {
  hub_->subscribers.push_back(this);
}

Notifications::Subscription::~Subscription() {
  std::erase(hub_->subscribers, this);
  if (hub_->unsubscribed) hub_->unsubscribed();
}

io::Task<std::optional<NotificationsResponse>> Notifications::Subscription::next() {
  auto settled = [this] { return !queue_.empty() || ended_; };
  co_await changed_.wait(settled);
  if (queue_.empty()) co_return std::nullopt;
  std::optional<NotificationsResponse> event(std::move(queue_.front()));
  queue_.pop_front();
  co_return event;
}

void Notifications::Subscription::offer(const NotificationsResponse& event) {
  if (queue_.size() == kQueue) return;
  queue_.push_back(event);
  changed_.notify_all();
}

}  // namespace gcs::migration
