// Whole migrations through the services of two hosts: what succeeds, what is taken back, and what is left of it.

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>

#include "tests/move/house.h"

namespace gcs::testing {
namespace {

constexpr int kRoundTrips = 50;
constexpr uint64_t kAllowedGrowthKib = 4 * 1024;

void board_everybody(House& house) {
  house.board(house.a, "writer", Passenger::Job::write);
  house.board(house.a, "terminal", Passenger::Job::terminal);
  house.board(house.a, "echo", Passenger::Job::echo);
  house.board(house.a, "wait", Passenger::Job::wait);
  house.see_all_go_on(house.a);
}

size_t own_descriptors() {
  const std::filesystem::directory_iterator all("/proc/self/fd");
  return static_cast<size_t>(std::distance(begin(all), end(all)));
}

}  // namespace

TEST_CASE("migration: the VM goes there and back, and every stream with it") {
  House house;
  board_everybody(house);
  const auto there = house.migrate(house.a, house.b);
  CHECK_MESSAGE(there.moved, there.failure);
  CHECK(there.failure.empty());
  CHECK(there.blackout_ms);
  CHECK(house.a.shim.state() == migration::Shim::State::empty);
  house.see_all_go_on(house.b);
  const auto back = house.migrate(house.b, house.a);
  CHECK_MESSAGE(back.moved, back.failure);
  house.see_all_go_on(house.a);
  house.disembark(house.a);
}

TEST_CASE("migration: a cancelled one leaves the VM where it is, with its bridge and streams whole") {
  House house;
  board_everybody(house);
  house.a.vm.plan().memory = 64u << 20;  // there is a middle
  const auto id = house.a.shim.bridge()->client().seed();
  const auto outcome = house.migrate(house.a, house.b, [&house](migration::Orchestrator& orchestrator) {
    house.a.vm.plan().on_progress = [&](uint64_t sent) {
      if (sent == house.a.vm.plan().memory / 2) orchestrator.cancel();
    };
  });
  house.a.vm.plan().on_progress = nullptr;
  CHECK_FALSE(outcome.moved);
  CHECK(outcome.failure.find("cancelled") != std::string::npos);
  CHECK(house.a.shim.state() == migration::Shim::State::live);
  CHECK(house.b.shim.state() == migration::Shim::State::empty);
  CHECK(house.a.shim.bridge()->client().seed() == id);
  house.see_all_go_on(house.a);
  const auto again = house.migrate(house.a, house.b);
  CHECK_MESSAGE(again.moved, again.failure);
  house.see_all_go_on(house.b);
  house.disembark(house.b);
}

TEST_CASE("migration: a destination that dies in the middle costs nothing") {
  House house;
  board_everybody(house);
  const auto outcome = house.migrate(house.a, house.b, [&house](migration::Orchestrator&) {
    house.a.vm.plan().on_progress = [&house](uint64_t sent) {
      if (sent == house.a.vm.plan().memory / 2) house.loop.start(house.b.stop());
    };
  });
  house.a.vm.plan().on_progress = nullptr;
  CHECK_FALSE(outcome.moved);
  CHECK(house.a.shim.state() == migration::Shim::State::live);
  house.see_all_go_on(house.a);
  house.disembark(house.a);
}

TEST_CASE("migration: a destination that dies after the blackout is rolled back, and every stream goes on") {
  House house;
  board_everybody(house);
  const auto outcome = house.migrate(house.a, house.b, [&house](migration::Orchestrator&) {
    house.b.vm.plan().on_blackout = nullptr;
    house.a.vm.plan().on_blackout = [&house]() -> io::Task<> {
      co_await house.a.shim.break_off();
      co_await house.b.stop();
    };
  });
  CHECK_FALSE(outcome.moved);
  CHECK(house.a.shim.state() == migration::Shim::State::live);
  house.see_all_go_on(house.a);
  house.disembark(house.a);
}

TEST_CASE("migration: a container that may not move keeps all of them, and all of them go on") {
  House house;
  board_everybody(house);
  house.passengers.back()->tell_to_exit();
  REQUIRE(house.loop.run(house.a.shim.exited(house.passengers.back()->id())));
  const auto source = house.a.dial();
  const auto destination = house.b.dial();
  migration::Orchestrator orchestrator(house.loop.engine(), house.loop.clock(), *source, *destination);
  const auto outcome = house.loop.run(orchestrator.migrate("refused", "sandbox"));
  house.loop.run(source->stop());
  house.loop.run(destination->stop());
  CHECK(house.a.shim.state() == migration::Shim::State::live);
  if (outcome) CHECK(outcome->failure.find("has exited") != std::string::npos);
  house.see_all_go_on(house.a);
  house.disembark(house.a);
}

TEST_CASE("migration: fifty there and back leave nothing on either side") {
  House house;
  board_everybody(house);
  REQUIRE(house.migrate(house.a, house.b).moved);  // what is made once and kept is there after this
  REQUIRE(house.migrate(house.b, house.a).moved);
  house.see_all_go_on(house.a);
  const size_t descriptors = own_descriptors();
  const auto holdings = house.holdings(house.a);
  const auto footprint = house.agent.footprint();
  REQUIRE(footprint);
  for (int trip = 0; trip < kRoundTrips; ++trip) {
    CAPTURE(trip);
    REQUIRE(house.migrate(house.a, house.b).moved);
    house.see_all_go_on(house.b);
    REQUIRE(house.migrate(house.b, house.a).moved);
    house.see_all_go_on(house.a);
  }
  CHECK(own_descriptors() == descriptors);
  CHECK(house.holdings(house.a) == holdings);
  if (!house.agent.sanitized()) CHECK(house.agent.footprint()->rss_kib < footprint->rss_kib + kAllowedGrowthKib);
  house.disembark(house.a);
}

}  // namespace gcs::testing
