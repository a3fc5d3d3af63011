#include "runtime/process_state.h"

#include <doctest/doctest.h>

#include <variant>
#include <vector>

using namespace gcs::runtime;
using gcs::Errc;
using S = ProcessState;
using E = ProcessEvent;

TEST_CASE("process state: every event in every state does what the table says") {
  using Outcome = std::variant<S, Errc>;
  constexpr Errc kGone = Errc::process_not_found;
  constexpr Errc kNever = Errc::internal;
  struct Row {
    E event;
    Outcome running, draining, exited, forgotten;
  };
  const std::vector<Row> table = {
      {E::signal, S::running, kGone, kGone, kGone},         {E::resize, S::running, kGone, kGone, kGone},
      {E::wait, S::running, S::draining, S::exited, kGone}, {E::exit_seen, S::draining, kNever, kNever, kNever},
      {E::drained, kNever, S::exited, kNever, kNever},      {E::forget, kNever, kNever, S::forgotten, kNever},
  };
  for (const Row& row : table) {
    const std::vector<std::pair<S, Outcome>> cells = {
        {S::running, row.running}, {S::draining, row.draining}, {S::exited, row.exited}, {S::forgotten, row.forgotten}};
    for (const auto& cell : cells) {
      const S state = cell.first;
      const Outcome& outcome = cell.second;
      CAPTURE(static_cast<int>(row.event));
      CAPTURE(static_cast<int>(state));
      const auto next = next_state(state, row.event);
      if (const S* after = std::get_if<S>(&outcome)) {
        REQUIRE(next);
        CHECK(*next == *after);
      } else {
        REQUIRE_FALSE(next);
        CHECK(next.error().code() == std::get<Errc>(outcome));
      }
    }
  }
}
