#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <vector>

#include "tests/migration/session_state.h"

using namespace gcs::migration;
using gcs::Errc;

namespace {

const std::vector<std::pair<std::string, State>> kStates = {{"ID", State::idle},
                                                            {"SP", State::source_prepared},
                                                            {"SE", State::source_exported},
                                                            {"DI", State::destination_imported},
                                                            {"DP", State::destination_prepared},
                                                            {"SW", State::socket_waiting},
                                                            {"SR", State::socket_ready},
                                                            {"TR", State::transferring},
                                                            {"TC", State::transfer_completed},
                                                            {"FI", State::finalized},
                                                            {"CG", State::cancelling},
                                                            {"CA", State::cancelled},
                                                            {"FA", State::failed}};

const std::map<std::string, Errc> kClasses = {
    {"fp", Errc::wrong_state}, {"ae", Errc::already_exists}, {"un", Errc::internal}};

// A socket is not there yet, the destination's VM is; both in full.
constexpr Facts kUsual{true, false, false, true, true};
constexpr Facts kUnclaimed{false, false, false, true, true};
constexpr Facts kWithSocket{true, true, false, true, true};
constexpr Facts kAsked{true, true, true, true, true};
constexpr Facts kNoVm{true, false, false, false, false};
constexpr Facts kNotTransferred{true, false, false, true, false};

constexpr auto S = Side::source;
constexpr auto D = Side::destination;

/// One cell a state, in the order above: the next state, a class, or "--" for what is answered and does nothing.
struct Row {
  Call call;
  Side side;
  Facts facts;
  const char* cells;
};

const std::vector<Row> kTable = {
    //                                            ID SP SE DI DP SW SR TR TC FI CG CA FA
    {Call::prepare_source, S, kUsual, /*        */ "SP fp fp fp fp fp fp fp fp fp fp fp fp"},
    {Call::prepare_source, D, kUsual, /*        */ "SP fp fp fp fp fp fp fp fp fp fp fp fp"},
    {Call::export_state, S, kUsual, /*          */ "fp SE fp fp fp fp fp fp fp fp fp fp fp"},
    {Call::export_state, D, kUsual, /*          */ "fp SE fp fp fp fp fp fp fp fp fp fp fp"},
    {Call::import_state, S, kUsual, /*          */ "DI fp fp fp fp fp fp fp fp fp fp fp fp"},
    {Call::import_state, D, kUsual, /*          */ "DI fp fp fp fp fp fp fp fp fp fp fp fp"},
    {Call::prepare_destination, S, kUsual, /*   */ "fp fp fp DP fp fp fp fp fp fp fp fp fp"},
    {Call::prepare_destination, D, kUsual, /*   */ "fp fp fp DP fp fp fp fp fp fp fp fp fp"},
    {Call::prepare_destination, D, kUnclaimed, "fp fp fp fp fp fp fp fp fp fp fp fp fp"},
    {Call::register_socket, S, kUsual, /*       */ "fp fp SR fp SR SR fp fp fp fp fp fp fp"},
    {Call::register_socket, D, kUsual, /*       */ "fp fp SR fp SR SR fp fp fp fp fp fp fp"},
    {Call::register_socket, S, kWithSocket, /*  */ "fp fp ae fp ae ae ae ae ae fp fp fp fp"},
    {Call::register_socket, D, kWithSocket, /*  */ "fp fp ae fp ae ae ae ae ae fp fp fp fp"},
    {Call::transfer, S, kUsual, /*              */ "fp fp SW fp SW -- TR -- -- fp fp fp fp"},
    {Call::transfer, D, kUsual, /*              */ "fp fp SW fp SW -- TR -- -- fp fp fp fp"},
    {Call::transfer, D, kAsked, /*              */ "fp fp SW fp SW -- -- -- -- fp fp fp fp"},
    {Call::finalize_stop, S, kUsual, /*         */ "fp fp fp fp fp fp fp fp FI -- fp FI FI"},
    {Call::finalize_stop, D, kUsual, /*         */ "fp fp fp fp fp fp fp fp FI -- fp CA FI"},
    {Call::finalize_stop, D, kNotTransferred, /**/ "fp fp fp fp fp fp fp fp FI -- fp CA FI"},
    {Call::finalize_resume, S, kUsual, /*       */ "fp fp fp fp fp fp fp fp FI -- fp FI FI"},
    {Call::finalize_resume, S, kNotTransferred, "fp fp fp fp fp fp fp fp FI -- fp FI FI"},
    {Call::finalize_resume, D, kUsual, /*       */ "fp fp fp fp fp fp fp fp FI -- fp FI FI"},
    {Call::finalize_resume, D, kNotTransferred, "fp fp fp fp fp fp fp fp fp -- fp fp fp"},
    {Call::cancel, S, kUsual, /*                */ "fp CA CA CA CA CA CA CA CA fp -- -- CA"},
    {Call::cancel, D, kUsual, /*                */ "fp CA CA CA CA CA CA CA CA fp -- -- CA"},
    {Call::cleanup, S, kUsual, /*               */ "-- fp fp fp fp fp fp fp fp ID fp fp fp"},
    {Call::cleanup, D, kUsual, /*               */ "-- fp fp fp fp fp fp fp fp ID fp ID fp"},
    {Call::notifications, S, kNoVm, /*          */ "fp -- -- -- -- -- -- -- -- -- -- -- --"},
    {Call::notifications, D, kUsual, /*         */ "fp -- -- -- -- -- -- -- -- -- -- -- --"},
    {Call::notifications, D, kNoVm, /*          */ "fp un un un un un un un un un un un un"},
};

std::string cell_of(State state, const Row& row) {
  const auto move = on_call(state, row.call, row.side, row.facts);
  if (!move) {
    CHECK_FALSE(move.error().message().empty());
    for (const auto& [name, code] : kClasses) {
      if (code == move.error().code()) return name;
    }
    return "??";
  }
  if (!move->work) {
    CHECK(move->next == state);
    return "--";
  }
  for (const auto& [name, known] : kStates) {
    if (known == move->next) return name;
  }
  return "??";
}

}  // namespace

TEST_CASE("session state: every call in every state does what the table says") {
  for (const Row& row : kTable) {
    std::istringstream cells(row.cells);
    for (const auto& [name, state] : kStates) {
      std::string wanted;
      cells >> wanted;
      REQUIRE_FALSE(wanted.empty());
      CAPTURE(to_string(row.call));
      CAPTURE(static_cast<int>(row.call));
      CAPTURE(to_string(row.side));
      CAPTURE(name);
      CHECK(cell_of(state, row) == wanted);
    }
  }
}

TEST_CASE("session state: a step that fails leaves the state as it was, but for export, the socket and cancel") {
  const std::vector<Call> failing = {Call::export_state, Call::register_socket, Call::cancel};
  for (int call = 0; call <= static_cast<int>(Call::notifications); ++call) {
    for (const auto& [name, state] : kStates) {
      CAPTURE(call);
      CAPTURE(name);
      const bool fails = std::find(failing.begin(), failing.end(), static_cast<Call>(call)) != failing.end();
      const State wanted = fails ? State::failed : state;
      CHECK(after_failure(state, static_cast<Call>(call)) == wanted);
    }
  }
}

TEST_CASE("session state: events of the transfer move only a session that still waits for them") {
  for (const auto& [name, state] : kStates) {
    CAPTURE(name);
    const auto begun = on_event(state, Event::transfer_begun);
    const State going = state == State::socket_ready ? State::transferring : state;
    CHECK(begun.next == going);
    CHECK_FALSE(begun.tell_failure);

    const auto done = on_event(state, Event::transfer_done);
    const State completed = state == State::transferring ? State::transfer_completed : state;
    CHECK(done.next == completed);
    CHECK_FALSE(done.tell_failure);

    const bool concerned = name == "SW" || name == "SR" || name == "TR";
    const auto failed = on_event(state, Event::transfer_failed);
    const State wanted = concerned ? State::failed : state;
    CHECK(failed.next == wanted);
    CHECK(failed.tell_failure == concerned);
  }
}

TEST_CASE("session state: a refusal names call, side and state in the words of other hosts") {
  const auto refused = on_call(State::transferring, Call::cleanup, Side::source, Facts());
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message() == "cleanup not valid for Source in state Transferring");
}
