#include "runtime/pod_state.h"

#include <doctest/doctest.h>

#include <map>
#include <vector>

using namespace gcs::runtime;
using gcs::Errc;
using S = PodState;
using E = PodEvent;

namespace {

const std::vector<S> kStates = {S::creating, S::ready, S::draining, S::removing, S::gone};
const std::vector<E> kEvents = {E::join, E::made, E::failed, E::retire, E::last_left, E::removed};

struct Row {
  S state;
  std::map<E, S> moves;
  std::map<E, Errc> refusals;  // whatever is in neither is `internal`
};

const std::vector<Row> kTable = {
    {S::creating, {{E::made, S::ready}, {E::failed, S::removing}}, {{E::join, Errc::wrong_state}}},
    {S::ready, {{E::join, S::ready}, {E::retire, S::draining}}, {}},
    {S::draining, {{E::last_left, S::removing}}, {{E::join, Errc::not_found}}},
    {S::removing, {{E::removed, S::gone}}, {{E::join, Errc::not_found}}},
    {S::gone, {}, {{E::join, Errc::not_found}}},
};

}  // namespace

TEST_CASE("pod state: every state and event is as the table says") {
  REQUIRE(kTable.size() == kStates.size());
  for (const Row& row : kTable) {
    for (const E event : kEvents) {
      CAPTURE(to_string(row.state));
      CAPTURE(static_cast<int>(event));
      const auto next = next_state(row.state, event);
      const auto move = row.moves.find(event);
      if (move != row.moves.end()) {
        REQUIRE(next);
        CHECK(*next == move->second);
        continue;
      }
      REQUIRE_FALSE(next);
      const auto refusal = row.refusals.find(event);
      CHECK(next.error().code() == (refusal == row.refusals.end() ? Errc::internal : refusal->second));
    }
  }
}

TEST_CASE("pod state: each has a name of its own") {
  std::map<std::string_view, int> names;
  for (const S state : kStates) ++names[to_string(state)];
  CHECK(names.size() == kStates.size());
}
