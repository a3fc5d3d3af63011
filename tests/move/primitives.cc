// Saving, importing and taking over, step by step, with real containers on an agent that stays where it is.

#include <doctest/doctest.h>

#include "tests/move/house.h"

namespace gcs::testing {
namespace {

/// One whole hand-over without a session: freeze, import, claim, break, leave, resume.
void hand_over(House& house, House::Side& from, House::Side& to) {
  const auto saved = from.shim.save(from.vm.document());
  REQUIRE_MESSAGE(saved, saved.error().message());
  const auto imported = house.loop.run(to.shim.import("sandbox", *saved));
  REQUIRE_MESSAGE(imported, imported.error().message());
  from.shim.set_migrating(true);
  house.loop.run(from.shim.break_off());
  house.loop.run(from.shim.leave());
  const auto resumed = house.loop.run(to.shim.resume());
  REQUIRE_MESSAGE(resumed, resumed.error().message());
}

}  // namespace

TEST_CASE("move: containers with output, a terminal and an open stdin go to another host and back") {
  House house;
  house.board(house.a, "first", Passenger::Job::wait);
  house.disembark(house.a);  // what is made once and kept is there now
  const auto before = house.holdings(house.a);
  house.board(house.a, "writer", Passenger::Job::write);
  house.board(house.a, "terminal", Passenger::Job::terminal);
  house.board(house.a, "echo", Passenger::Job::echo);
  house.board(house.a, "wait", Passenger::Job::wait);
  house.see_all_go_on(house.a);
  for (int round = 0; round < 3; ++round) {
    hand_over(house, house.a, house.b);
    house.see_all_go_on(house.b);
    hand_over(house, house.b, house.a);
    house.see_all_go_on(house.a);
  }
  house.disembark(house.a);
  house.loop.look_until([&] { return house.agent.holdings() == before; });
}

TEST_CASE("move: a roll-back after the blackout goes on with its own waits and streams") {
  House house;
  house.board(house.a, "writer", Passenger::Job::write);
  house.board(house.a, "echo", Passenger::Job::echo);
  house.see_all_go_on(house.a);
  const auto saved = house.a.shim.save("{}");
  REQUIRE(saved);
  house.a.shim.set_migrating(true);
  house.loop.run(house.a.shim.break_off());
  const auto resumed = house.loop.run(house.a.shim.resume());
  REQUIRE_MESSAGE(resumed, resumed.error().message());
  house.see_all_go_on(house.a);
  house.disembark(house.a);
}

TEST_CASE("move: a roll-back before the blackout leaves the bridge and every stream as they are") {
  House house;
  house.board(house.a, "echo", Passenger::Job::echo);
  house.see_all_go_on(house.a);
  REQUIRE(house.a.shim.save("{}"));
  house.a.shim.set_migrating(true);
  const auto id = house.a.shim.bridge()->client().seed();
  REQUIRE(house.loop.run(house.a.shim.resume()));
  CHECK(house.a.shim.bridge()->client().seed() == id);  // nothing was asked
  house.see_all_go_on(house.a);
  house.disembark(house.a);
}

TEST_CASE("move: exits before, during and after the blackout are each learned once by the next host") {
  House house;
  auto& early = house.board(house.a, "early", Passenger::Job::wait);
  auto& meanwhile = house.board(house.a, "meanwhile", Passenger::Job::wait);
  house.board(house.a, "late", Passenger::Job::wait);
  house.see_all_go_on(house.a);
  const auto saved = house.a.shim.save(house.a.vm.document());
  REQUIRE(saved);
  early.tell_to_exit();
  CHECK(*house.loop.run(house.a.shim.exited(early.id())) == 7);  // frozen, but the bridge is there
  REQUIRE(house.loop.run(house.b.shim.import("sandbox", *saved)));
  house.a.shim.set_migrating(true);
  house.loop.run(house.a.shim.break_off());
  meanwhile.tell_to_exit();
  house.loop.run(house.a.shim.leave());
  REQUIRE(house.loop.run(house.b.shim.resume()));
  CHECK(*house.loop.run(house.b.shim.exited(early.id())) == 7);
  CHECK(*house.loop.run(house.b.shim.exited(meanwhile.id())) == 7);
  house.disembark(house.b);
}

TEST_CASE("move: an outage that is no migration's is nobody's business") {
  House house;
  house.board(house.a, "writer", Passenger::Job::write);
  house.board(house.a, "echo", Passenger::Job::echo);
  for (int i = 0; i < 5; ++i) {
    house.see_all_go_on(house.a);
    house.loop.run(house.a.shim.break_off());
  }
  house.see_all_go_on(house.a);
  house.disembark(house.a);
}

}  // namespace gcs::testing
