#include "runtime/container_state.h"

#include <doctest/doctest.h>

#include <csignal>
#include <map>
#include <vector>

using namespace gcs::runtime;
using gcs::Errc;
using S = ContainerState;
using E = ContainerEvent;

namespace {

const std::vector<S> kStates = {S::creating, S::created,    S::starting, S::running,
                                S::stopped,  S::discarding, S::deleting, S::deleted};
const std::vector<E> kEvents = {E::start,       E::exec,          E::shutdown,     E::delete_,
                                E::create_done, E::create_failed, E::start_done,   E::start_failed,
                                E::init_exited, E::delete_done,   E::delete_failed};

struct Row {
  S state;
  std::map<E, S> moves;
  std::map<E, Errc> refusals;  // whatever is in neither is `internal`
};

const std::vector<Row> kTable = {
    {S::creating,
     {{E::create_done, S::created}, {E::create_failed, S::deleted}},
     {{E::start, Errc::wrong_state},
      {E::exec, Errc::wrong_state},
      {E::shutdown, Errc::wrong_state},
      {E::delete_, Errc::wrong_state}}},
    {S::created,
     {{E::start, S::starting},
      {E::exec, S::created},
      {E::shutdown, S::created},
      {E::delete_, S::discarding},
      {E::init_exited, S::stopped}},
     {}},
    {S::starting,
     {{E::exec, S::starting},
      {E::shutdown, S::starting},
      {E::start_done, S::running},
      {E::start_failed, S::created},
      {E::init_exited, S::stopped}},
     {{E::start, Errc::wrong_state}, {E::delete_, Errc::wrong_state}}},
    {S::running,
     {{E::exec, S::running}, {E::shutdown, S::running}, {E::init_exited, S::stopped}},
     {{E::start, Errc::wrong_state}, {E::delete_, Errc::wrong_state}}},
    {S::stopped,
     {{E::delete_, S::deleting}, {E::start_done, S::stopped}, {E::start_failed, S::stopped}},
     {{E::start, Errc::already_stopped}, {E::exec, Errc::already_stopped}, {E::shutdown, Errc::already_stopped}}},
    {S::discarding,
     {{E::delete_done, S::deleted}, {E::delete_failed, S::created}, {E::init_exited, S::deleting}},
     {{E::start, Errc::wrong_state},
      {E::exec, Errc::wrong_state},
      {E::shutdown, Errc::wrong_state},
      {E::delete_, Errc::wrong_state}}},
    {S::deleting,
     {{E::delete_done, S::deleted}, {E::delete_failed, S::stopped}},
     {{E::start, Errc::wrong_state},
      {E::exec, Errc::wrong_state},
      {E::shutdown, Errc::wrong_state},
      {E::delete_, Errc::wrong_state}}},
    {S::deleted,
     {{E::init_exited, S::deleted}},
     {{E::start, Errc::container_not_found},
      {E::exec, Errc::container_not_found},
      {E::shutdown, Errc::container_not_found},
      {E::delete_, Errc::container_not_found}}},
};

}  // namespace

TEST_CASE("container state: every event in every state does what the table says") {
  REQUIRE(kTable.size() == kStates.size());
  for (size_t row = 0; row < kTable.size(); ++row) {
    REQUIRE(kTable[row].state == kStates[row]);
    for (const E event : kEvents) {
      CAPTURE(to_string(kStates[row]));
      CAPTURE(static_cast<int>(event));
      const auto next = next_state(kStates[row], event);
      const auto& [state, moves, refusals] = kTable[row];
      if (const auto move = moves.find(event); move != moves.end()) {
        REQUIRE(next);
        CHECK(*next == move->second);
      } else {
        REQUIRE_FALSE(next);
        const auto refusal = refusals.find(event);
        CHECK(next.error().code() == (refusal != refusals.end() ? refusal->second : Errc::internal));
        CHECK_FALSE(next.error().message().empty());
      }
    }
  }
}

TEST_CASE("container state: a deletion that fails leaves the container as it was") {
  for (const S before : {S::created, S::stopped}) {
    CAPTURE(to_string(before));
    const auto deleting = next_state(before, E::delete_);
    REQUIRE(deleting);
    const auto after = next_state(*deleting, E::delete_failed);
    REQUIRE(after);
    CHECK(*after == before);
  }
}

TEST_CASE("container state: the states have different names") {
  for (const S one : kStates) {
    for (const S other : kStates) CHECK((to_string(one) == to_string(other)) == (one == other));
  }
}

TEST_CASE("exit type: an end that nobody asked for is unexpected, a clean one too") {
  CHECK(exit_type(ExitType::unexpected, 0) == ExitType::unexpected);
  CHECK(exit_type(ExitType::unexpected, SIGSEGV) == ExitType::unexpected);
  CHECK(exit_type(ExitType::unexpected, SIGKILL) == ExitType::unexpected);
}

TEST_CASE("exit type: SIGTERM asks for a graceful end, SIGKILL and 0 force it, other signals ask for nothing") {
  CHECK(asked_after(ExitType::unexpected, SIGTERM) == ExitType::graceful);
  CHECK(asked_after(ExitType::unexpected, SIGKILL) == ExitType::forced);
  CHECK(asked_after(ExitType::unexpected, 0) == ExitType::forced);
  for (const int signal : {SIGINT, SIGHUP, SIGUSR1, SIGSTOP}) {
    for (const ExitType asked : {ExitType::unexpected, ExitType::graceful, ExitType::forced}) {
      CHECK(asked_after(asked, signal) == asked);
    }
  }
}

TEST_CASE("exit type: once forced, a later SIGTERM does not make it graceful") {
  CHECK(asked_after(ExitType::graceful, SIGKILL) == ExitType::forced);
  CHECK(asked_after(ExitType::forced, SIGTERM) == ExitType::forced);
}

TEST_CASE("exit type: an end that was asked for is reported so, by exit code or by the signal") {
  CHECK(exit_type(ExitType::graceful, 0) == ExitType::graceful);
  CHECK(exit_type(ExitType::graceful, SIGTERM) == ExitType::graceful);
  CHECK(exit_type(ExitType::forced, SIGKILL) == ExitType::forced);
  CHECK(exit_type(ExitType::forced, SIGTERM) == ExitType::forced);
  CHECK(exit_type(ExitType::forced, 0) == ExitType::forced);
}

TEST_CASE("exit type: a crash or an OOM kill after an ignored SIGTERM is unexpected") {
  CHECK(exit_type(ExitType::graceful, SIGSEGV) == ExitType::unexpected);
  CHECK(exit_type(ExitType::graceful, SIGKILL) == ExitType::unexpected);
  CHECK(exit_type(ExitType::forced, SIGSEGV) == ExitType::unexpected);
}
