#include "tests/chaos/storm.h"

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "stdio/io/deadline.h"
#include "tests/host/call.h"

namespace gcs::chaos {
namespace {

using host::Unread;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kBetweenDrops{50};
constexpr seconds kReturnLimit{10};
constexpr seconds kAnswerLimit{10};
constexpr seconds kHeardLimit{5};

/// What the askers and the dropper share.
struct Storm {
  Scene& scene;
  bool over = false;
  std::vector<std::shared_ptr<host::Call>> in_flight;  ///< one place for each asker; null in between
  std::vector<bool> in_doubt;                          ///< sent, but a drop may have come before the agent read it
  io::Condition changed;
  uint64_t answered = 0;
  uint64_t given_up = 0;
  uint64_t drops = 0;
  uint64_t drops_in_doubt = 0;
};

/// Some that are answered at once, one that takes its time, one that is refused.
std::shared_ptr<host::Call> ask(Storm& storm, size_t number) {
  host::BridgeClient& client = storm.scene.host.client();
  host::json body = host::json::object();
  body["ContainerId"] = host::kUvmId;
  body["ActivityId"] = host::kNoActivity;
  uint32_t type = 0x10109901;  // unknown
  if (number % 4 == 0) type = host::value(host::Message::dump_stacks);
  if (number % 4 == 1) type = host::value(host::Message::get_properties);
  if (number % 4 == 2) {
    type = host::value(host::Message::wait_for_process);
    body["ProcessId"] = 1;
    body["TimeoutInMs"] = storm.scene.between(1, 100);
  }
  return client.send(type, client.next_id(), host::to_text(body) + "\n");
}

io::Task<> keep_asking(Storm& storm, size_t number) {
  Scene& scene = storm.scene;
  while (!storm.over) {
    co_await scene.host.up();
    if (storm.over) break;
    const auto call = ask(storm, number);
    storm.in_flight[number] = call;
    storm.in_doubt[number] = false;
    auto settled = [&storm, &call, number] { return call->result.has_value() || storm.in_doubt[number]; };
    while (!settled()) {
      auto deadline = scene.clock.now() + kAnswerLimit;
      const bool in_time = co_await call->settled.wait_until(scene.clock, deadline, settled);
      if (in_time || !scene.host.is_up()) continue;
      scene.verdict.broken(Invariant::answers,
                           host::name_of(call->type) + " " + std::to_string(call->id) + " was never answered");
      break;
    }
    ++(call->result.has_value() ? storm.answered : storm.given_up);
    storm.in_flight[number] = nullptr;
    storm.changed.notify_all();
  }
}

io::Task<Result<>> drop_and_return(Storm& storm) {
  Scene& scene = storm.scene;
  host::BridgeClient& client = scene.host.client();
  ++storm.drops;
  scene.host.set_up(false);
  bool all_read = scene.chance(70);
  if (all_read) all_read = co_await client.heard(kHeardLimit);
  const bool leave = scene.chance(50);
  if (leave) {
    co_await scene.stop_reading();
    co_await scene.pause(milliseconds(1));
  }
  client.cut(leave ? Unread::leave : Unread::take);
  co_await client.lost();
  client.stop_reading(false);
  if (!all_read) {
    ++storm.drops_in_doubt;
    for (size_t i = 0; i < storm.in_flight.size(); ++i) {
      if (!storm.in_flight[i]) continue;
      storm.in_doubt[i] = true;
      storm.in_flight[i]->settled.notify_all();
    }
  }
  if (client.ended()) {
    scene.verdict.broken(Invariant::bridge_rules, client.why());
    co_return Error(Errc::disconnected, client.why());
  }
  auto connecting = client.connect();
  const std::string what = "the agent's return";
  const auto deadline = scene.clock.now() + kReturnLimit;
  const auto back =
      co_await io::with_deadline(scene.engine.executor(), scene.clock, deadline, what, std::move(connecting));
  if (!back) {
    scene.verdict.broken(client.ended() ? Invariant::bridge_rules : Invariant::returns, back.error().message());
    co_return back.error();
  }
  scene.host.set_up(true);
  co_return Result<>();
}

}  // namespace

io::Task<Result<>> storm(Scene& scene) {
  const auto connected = co_await scene.host.client().connect();
  if (!connected) co_return connected.error();
  scene.host.set_up(true);
  const auto askers = static_cast<size_t>(scene.settings.in_flight);
  Storm storm{scene, false, {}, {}, io::Condition(scene.engine.executor(), "storm")};
  storm.in_flight.resize(askers);
  storm.in_doubt.resize(askers);
  io::TaskGroup group(scene.engine.executor());
  for (size_t i = 0; i < askers; ++i) group.spawn("asker " + std::to_string(i), keep_asking(storm, i));
  const auto end = scene.clock.now() + seconds(scene.settings.storm_seconds);
  Result<> survived;
  while (survived && scene.clock.now() < end) {
    co_await scene.pause(kBetweenDrops);
    survived = co_await drop_and_return(storm);
  }
  storm.over = true;
  if (survived) {
    auto none = [&storm] {
      return std::ranges::none_of(storm.in_flight, [](const auto& call) { return call != nullptr; });
    };
    const auto limit = scene.clock.now() + kAnswerLimit + seconds(1);
    co_await storm.changed.wait_until(scene.clock, limit, none);
  }
  group.cancel();
  co_await group.join();
  std::printf("%lu drops (%lu with requests that the agent may not have read), %lu answers, %lu requests in doubt\n",
              storm.drops, storm.drops_in_doubt, storm.answered, storm.given_up);
  co_return survived;
}

}  // namespace gcs::chaos
