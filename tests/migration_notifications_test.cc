#include <doctest/doctest.h>

#include <vector>

#include "tests/support/migration_house.h"

using namespace gcs::migration;
using namespace std::chrono_literals;
using gcs::testing::Loop;

namespace {

using Subscription = std::shared_ptr<Notifications::Subscription>;

struct House {
  Loop loop;
  std::chrono::system_clock::time_point wall{1'700'000'000s};
  std::unique_ptr<Notifications> notifications = std::make_unique<Notifications>(
      loop.executor(), [this] { return wall; }, ORIGIN_DESTINATION);

  void tell(Phase phase = PHASE_TRANSFER_IN_PROGRESS, int times = 1) {
    VmEvent event;
    event.phase = phase;
    for (int count = 0; count < times; ++count) notifications->publish(event);
  }

  std::vector<uint32_t> ids(const Subscription& subscription) {
    std::vector<uint32_t> seen;
    for (const auto& event : gcs::testing::drain(loop, subscription)) seen.push_back(event.message_id());
    return seen;
  }
};

}  // namespace

TEST_CASE("notifications: events are numbered from 1, and each subscriber gets all of them") {
  House house;
  const auto one = house.notifications->subscribe();
  const auto other = house.notifications->subscribe();
  house.tell(PHASE_SETUP_DONE, 3);
  CHECK(house.ids(one) == std::vector<uint32_t>{1, 2, 3});
  CHECK(house.ids(other) == std::vector<uint32_t>{1, 2, 3});
}

TEST_CASE("notifications: what happened before the first subscriber is his, up to the last 64") {
  House house;
  house.tell(PHASE_SETUP_DONE, 70);
  const auto seen = house.ids(house.notifications->subscribe());
  REQUIRE(seen.size() == 64);
  CHECK(seen.front() == 7);
  CHECK(seen.back() == 70);
}

TEST_CASE("notifications: a later subscriber gets the latest event again, and what follows") {
  House house;
  const auto first = house.notifications->subscribe();
  house.tell(PHASE_SETUP_DONE, 3);
  const auto second = house.notifications->subscribe();
  house.tell();
  CHECK(house.ids(second) == std::vector<uint32_t>{3, 4});
}

TEST_CASE("notifications: what happens between two subscribers is kept for the next") {
  House house;
  auto first = house.notifications->subscribe();
  house.tell(PHASE_SETUP_DONE, 2);
  first.reset();
  house.tell(PHASE_SETUP_DONE, 2);
  CHECK(house.ids(house.notifications->subscribe()) == std::vector<uint32_t>{3, 4});
}

TEST_CASE("notifications: a slow subscriber misses what its queue cannot hold, and nobody waits for it") {
  House house;
  const auto slow = house.notifications->subscribe();
  const auto quick = house.notifications->subscribe();
  std::vector<uint32_t> quickly;
  for (int round = 0; round < 100; ++round) {
    house.tell();
    for (const uint32_t id : house.ids(quick)) quickly.push_back(id);
  }
  CHECK(quickly.size() == 100);
  const auto first = house.ids(slow);
  CHECK(first.size() == 64);
  CHECK(first.back() == 64);
  house.tell();
  CHECK(house.ids(slow) == std::vector<uint32_t>{101});  // the gap tells
}

TEST_CASE("notifications: a subscriber that waits is woken by an event, and by the end after what is left") {
  House house;
  const auto subscription = house.notifications->subscribe();
  auto next = house.loop.start(subscription->next());
  house.loop.settle();
  CHECK_FALSE(next.done());
  house.tell();
  house.loop.settle();
  REQUIRE(next.done());
  CHECK(next.value()->message_id() == 1);

  house.tell();
  house.notifications.reset();  // outlived by its subscriptions
  CHECK(house.loop.run(subscription->next())->message_id() == 2);
  CHECK_FALSE(house.loop.run(subscription->next()));
}

TEST_CASE("notifications: times are the session's begin and the event's own") {
  House house;
  const auto subscription = house.notifications->subscribe();
  house.wall += 1500ms;
  house.tell();
  VmEvent event;
  event.phase = PHASE_BLACKOUT_EXITED;
  event.when = house.wall + 2s;
  event.blackout = 321ms;
  house.notifications->publish(event);

  const auto first = *house.loop.run(subscription->next());
  CHECK(first.start_time().seconds() == 1'700'000'000);
  CHECK(first.start_time().nanos() == 0);
  CHECK(first.update_time().seconds() == 1'700'000'001);
  CHECK(first.update_time().nanos() == 500'000'000);
  CHECK_FALSE(first.notification().has_blackout_exited());

  const auto second = *house.loop.run(subscription->next());
  CHECK(second.start_time().seconds() == 1'700'000'000);
  CHECK(second.update_time().seconds() == 1'700'000'003);
  CHECK(second.notification().blackout_exited().blackout_duration_milliseconds() == 321);
  CHECK(second.notification().blackout_exited().blackout_stop_timestamp().seconds() == 1'700'000'003);
}

TEST_CASE("notifications: origin is this side's, an event without a state is a success only on the way") {
  VmEvent event;
  event.state = PHASE_STATE_UNSPECIFIED;
  for (int phase = PHASE_UNSPECIFIED; phase <= PHASE_FAILED; ++phase) {
    CAPTURE(phase);
    event.phase = static_cast<Phase>(phase);
    const auto told = to_notification(event, ORIGIN_SOURCE);
    CHECK(told.origin() == ORIGIN_SOURCE);
    CHECK(told.phase() == phase);
    PhaseState wanted = PHASE_STATE_UNSPECIFIED;
    if (phase >= 1 && phase <= 5) wanted = PHASE_STATE_SUCCESS;
    if (phase == PHASE_FAILED) wanted = PHASE_STATE_SOURCE_FAILED;
    CHECK(told.state() == wanted);
  }
  event.state = PHASE_STATE_RECOVERY_FAILED;
  CHECK(to_notification(event, ORIGIN_DESTINATION).state() == PHASE_STATE_RECOVERY_FAILED);
}
