#include <doctest/doctest.h>

#include "tests/support/migration_house.h"

using namespace gcs::migration;
using namespace std::chrono_literals;
using gcs::Errc;
using gcs::Error;
using gcs::Result;
using gcs::testing::MigrationHouse;
namespace io = gcs::io;

namespace {

using Done = std::vector<std::string>;

const std::vector<State> kStates = {State::idle,
                                    State::source_prepared,
                                    State::source_exported,
                                    State::destination_imported,
                                    State::destination_prepared,
                                    State::socket_waiting,
                                    State::socket_ready,
                                    State::transferring,
                                    State::transfer_completed,
                                    State::finalized,
                                    State::cancelling,
                                    State::cancelled,
                                    State::failed};

/// All phases that wait in a subscription, with their states.
std::vector<std::pair<Phase, PhaseState>> events(MigrationHouse& house,
                                                 const std::shared_ptr<Notifications::Subscription>& subscription) {
  std::vector<std::pair<Phase, PhaseState>> seen;
  for (const auto& event : gcs::testing::drain(house.loop, subscription)) {
    seen.emplace_back(event.notification().phase(), event.notification().state());
  }
  return seen;
}

Error the_error(const Result<>& result) {
  REQUIRE_FALSE(result);
  return result.error();
}

/// Runs `body` in each state that calls can lead to, on both sides.
void in_every_state(const std::function<void(MigrationHouse&, State, Side)>& body) {
  for (const Side side : {Side::source, Side::destination}) {
    for (const State state : kStates) {
      MigrationHouse house;
      if (!house.reach(state, side)) continue;
      CAPTURE(to_string(side));
      CAPTURE(to_string(state));
      REQUIRE(house.session.state() == state);
      body(house, state, side);
    }
  }
}

}  // namespace

TEST_CASE("session: a source freezes, transfers, and is gone") {
  MigrationHouse house;
  REQUIRE(house.exported());
  REQUIRE(house.give_socket());
  REQUIRE(house.transfer());
  CHECK(house.session.state() == State::transferring);
  CHECK(house.vm.had_transport);
  house.finish();
  CHECK(house.session.state() == State::transfer_completed);
  REQUIRE(house.finalize(FINALIZE_ACTION_STOP));
  REQUIRE(house.cleanup());
  CHECK(house.session.state() == State::idle);
  CHECK(house.script.done == Done{"save document", "migrating", "vm transfer", "vm stop", "not migrating", "leave"});
}

TEST_CASE("session: a destination imports, makes the VM, takes it in, and goes on") {
  MigrationHouse house;
  house.sandbox.claimed = false;
  REQUIRE(house.imported());
  CHECK(the_error(house.prepared()).code() == Errc::wrong_state);
  house.sandbox.claimed = true;
  REQUIRE(house.prepared());
  REQUIRE(house.transfer());
  CHECK(house.session.state() == State::socket_waiting);
  REQUIRE(house.give_socket());
  house.loop.settle();
  CHECK(house.session.state() == State::transferring);
  house.finish();
  REQUIRE(house.finalize(FINALIZE_ACTION_RESUME));
  REQUIRE(house.cleanup());
  CHECK(house.script.done ==
        Done{"import box", "vm create imported", "migrating", "vm transfer", "vm resume", "resume", "not migrating"});
}

TEST_CASE("session: a roll-back before the transfer only thaws: nothing is re-established") {
  MigrationHouse house;
  REQUIRE(house.exported());
  REQUIRE(house.transfer());
  REQUIRE(house.cancel());
  REQUIRE(house.finalize(FINALIZE_ACTION_RESUME));
  CHECK(house.script.done == Done{"save document", "resume"});
  CHECK_FALSE(house.sandbox.frozen);
}

TEST_CASE("session: a roll-back after the transfer has the VM run, then takes its bridge") {
  for (const State from : {State::transferring, State::transfer_completed, State::failed}) {
    MigrationHouse house;
    REQUIRE(house.reach(from, Side::source));
    if (from == State::transferring) REQUIRE(house.cancel());
    house.script.done.clear();
    REQUIRE(house.finalize(FINALIZE_ACTION_RESUME));
    CHECK(house.script.done == Done{"vm resume", "resume", "not migrating"});
    REQUIRE(house.cleanup());
    CHECK(house.session.state() == State::idle);
  }
}

TEST_CASE("session: an empty id is an error for every call in every state (H11)") {
  in_every_state([](MigrationHouse& house, State state, Side) {
    const auto empty = [&house](const Result<>& result) {
      const Error error = the_error(result);
      CHECK(error.code() == Errc::invalid_argument);
      CHECK(error.message() == "session_id is required");
    };
    const auto subscribed = house.session.subscribe("");
    REQUIRE_FALSE(subscribed);
    CHECK(subscribed.error().code() == Errc::invalid_argument);
    CHECK(subscribed.error().message() == "session_id is required");
    empty(house.exported(""));
    empty(house.imported(""));
    empty(house.prepared(""));
    empty(house.transfer(""));
    empty(house.give_socket(""));
    empty(house.finalize(FINALIZE_ACTION_RESUME, ""));
    empty(house.cancel(""));
    empty(house.cleanup(""));
    CHECK(house.session.state() == state);
  });
}

TEST_CASE("session: another session's id is an error and changes nothing; idle, there is nothing to clean up") {
  in_every_state([](MigrationHouse& house, State state, Side) {
    const auto unknown = [](const Result<>& result) { CHECK(the_error(result).code() == Errc::invalid_argument); };
    CHECK(house.session.subscribe("other").error().code() == Errc::invalid_argument);
    unknown(house.prepared("other"));
    unknown(house.transfer("other"));
    unknown(house.give_socket("other"));
    unknown(house.finalize(FINALIZE_ACTION_STOP, "other"));
    unknown(house.cancel("other"));
    if (state == State::idle) {
      CHECK(house.cleanup("other"));
    } else {
      unknown(house.cleanup("other"));
      CHECK(the_error(house.exported("other")).code() == Errc::wrong_state);
      CHECK(the_error(house.imported("other")).code() == Errc::wrong_state);
    }
    CHECK(house.session.state() == state);
  });
}

TEST_CASE("session: an id may be used again once it is cleaned up, by a session that begins anew") {
  MigrationHouse house;
  REQUIRE(house.exported());
  house.vm.tell(PHASE_SETUP_DONE);
  REQUIRE(house.cancel());
  REQUIRE(house.finalize(FINALIZE_ACTION_RESUME));
  REQUIRE(house.cleanup());
  REQUIRE(house.exported());
  const auto subscription = house.session.subscribe("s");
  REQUIRE(subscription);
  house.vm.tell(PHASE_SETUP_DONE);
  CHECK(house.loop.run((*subscription)->next())->message_id() == 1);
}

TEST_CASE("session: Cancel in every state") {
  in_every_state([](MigrationHouse& house, State state, Side side) {
    const auto done = house.cancel();
    if (state == State::idle) {
      CHECK(the_error(done).code() == Errc::invalid_argument);
    } else if (state == State::finalized) {
      CHECK(the_error(done).code() == Errc::wrong_state);
      CHECK(house.session.state() == state);
    } else {
      CHECK(done);
      CHECK(house.session.state() == State::cancelled);
      CHECK(house.cancel());
      const bool kept = side == Side::source || state == State::transfer_completed;
      CHECK(house.script.did("leave") == !kept);
    }
  });
}

TEST_CASE("session: Cleanup in every state") {
  in_every_state([](MigrationHouse& house, State state, Side side) {
    const bool allowed =
        state == State::idle || state == State::finalized || (state == State::cancelled && side == Side::destination);
    const auto done = house.cleanup();
    if (allowed) {
      CHECK(done);
      CHECK(house.session.state() == State::idle);
    } else {
      CHECK(the_error(done).code() == Errc::wrong_state);
      CHECK(house.session.state() == state);
    }
  });
}

TEST_CASE("session: Finalize without an action is an error before all else") {
  in_every_state([](MigrationHouse& house, State state, Side) {
    CHECK(the_error(house.finalize(FINALIZE_ACTION_UNSPECIFIED, "other")).code() == Errc::invalid_argument);
    CHECK(the_error(house.finalize(static_cast<FinalizeAction>(9))).message() ==
          "action: 9 is neither stop nor resume");
    CHECK(house.session.state() == state);
  });
}

TEST_CASE("session: a destination that has all of the VM may be resumed although it was cancelled, once") {
  MigrationHouse house;
  REQUIRE(house.reach(State::transfer_completed, Side::destination));
  REQUIRE(house.cancel());
  SUBCASE("resumed") {
    REQUIRE(house.finalize(FINALIZE_ACTION_RESUME));
    CHECK(house.session.state() == State::finalized);
    CHECK(house.script.did("vm resume"));
  }
  SUBCASE("stopped") {
    REQUIRE(house.finalize(FINALIZE_ACTION_STOP));
    CHECK(house.session.state() == State::cancelled);
    CHECK(house.script.did("vm stop"));
    CHECK(the_error(house.finalize(FINALIZE_ACTION_RESUME)).code() == Errc::wrong_state);
  }
  SUBCASE("cleaned up") {
    REQUIRE(house.cleanup());
    CHECK(house.script.did("vm stop"));
    CHECK(house.script.did("leave"));
  }
}

TEST_CASE("session: a destination whose transfer failed cannot be resumed, only stopped") {
  MigrationHouse house;
  REQUIRE(house.reach(State::failed, Side::destination));
  CHECK(the_error(house.finalize(FINALIZE_ACTION_RESUME)).code() == Errc::wrong_state);
  CHECK_FALSE(house.script.did("vm resume"));
  REQUIRE(house.finalize(FINALIZE_ACTION_STOP));
  REQUIRE(house.cleanup());
  CHECK(house.script.did("leave"));
}

TEST_CASE("session: a transfer that fails is told, as a failure of this side") {
  for (const Side side : {Side::source, Side::destination}) {
    MigrationHouse house;
    REQUIRE(house.reach(State::transferring, side));
    const auto subscription = house.session.subscribe("s");
    REQUIRE(subscription);
    house.finish(Error(Errc::internal, "the network is gone"));
    CHECK(house.session.state() == State::failed);
    const auto told = events(house, *subscription);
    REQUIRE(told.size() == 1);
    CHECK(told[0].first == PHASE_FAILED);
    CHECK(told[0].second == (side == Side::source ? PHASE_STATE_SOURCE_FAILED : PHASE_STATE_DESTINATION_FAILED));
  }
}

TEST_CASE("session: a failure that the VM has told itself is told once") {
  MigrationHouse house;
  REQUIRE(house.reach(State::transferring, Side::source));
  const auto subscription = house.session.subscribe("s");
  REQUIRE(subscription);
  house.vm.tell(PHASE_FAILED, PHASE_STATE_DESTINATION_FAILED);
  house.finish(Error(Errc::internal, "the network is gone"));
  house.vm.tell(PHASE_FAILED, PHASE_STATE_SOURCE_FAILED);
  const std::vector<std::pair<Phase, PhaseState>> wanted = {{PHASE_FAILED, PHASE_STATE_DESTINATION_FAILED}};
  CHECK(events(house, *subscription) == wanted);
}

TEST_CASE("session: a transfer whose socket does not come in time fails, by default after ten minutes") {
  for (const auto& [asked, limit] :
       std::vector<std::pair<io::Clock::Duration, io::Clock::Duration>>{{0s, 10min}, {-5s, 10min}, {90s, 90s}}) {
    MigrationHouse house;
    REQUIRE(house.exported());
    const auto subscription = house.session.subscribe("s");
    REQUIRE(house.loop.run(house.session.transfer("s", asked)));
    house.pass(limit - 1s);
    CHECK(house.session.state() == State::socket_waiting);
    house.pass(1s);
    CHECK(house.session.state() == State::failed);
    CHECK(events(house, *subscription).size() == 1);
    CHECK(the_error(house.give_socket()).code() == Errc::wrong_state);
    CHECK_FALSE(house.script.did("vm transfer"));
  }
}

TEST_CASE("session: there is one socket; another is refused, and the session goes on") {
  MigrationHouse house;
  REQUIRE(house.exported());
  REQUIRE(house.give_socket());
  CHECK(the_error(house.give_socket()).code() == Errc::already_exists);
  REQUIRE(house.transfer());
  CHECK(the_error(house.give_socket()).code() == Errc::already_exists);
  CHECK(house.session.state() == State::transferring);
}

TEST_CASE("session: a socket path that is none is refused before the session's id is looked at") {
  MigrationHouse house;
  for (const std::string& path : {std::string(), std::string(200, 'x')}) {
    const auto done = house.loop.run(house.session.register_socket("", path));
    CHECK(the_error(done).code() == Errc::invalid_argument);
    CHECK(done.error().message().find("protocol_info") == 0);
  }
}

TEST_CASE("session: a socket that cannot be had fails the session, and a transfer that waits for it") {
  MigrationHouse house;
  REQUIRE(house.exported());
  const auto subscription = house.session.subscribe("s");
  REQUIRE(house.transfer());
  SUBCASE("nobody offers it") {
    const auto done = house.loop.run(house.session.register_socket("s", house.dir / "nothing"));
    CHECK(the_error(done).code() == Errc::internal);
  }
  SUBCASE("it is not connected") {
    const auto done = house.offer(io::Fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)));
    CHECK(the_error(done).code() == Errc::wrong_state);
  }
  house.loop.settle();
  CHECK(house.session.state() == State::failed);
  CHECK(events(house, *subscription).size() == 1);
  REQUIRE(house.finalize(FINALIZE_ACTION_RESUME));
  CHECK_FALSE(house.sandbox.frozen);
}

TEST_CASE("session: options are checked before anything is done") {
  MigrationHouse house;
  InitializeOptions options;
  const auto refused = house.loop.run(house.session.prepare_and_export("s", options));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().find("init_options.memory_transport") == 0);
  CHECK(house.session.state() == State::idle);
  REQUIRE(house.imported());
  CHECK_FALSE(house.loop.run(house.session.prepare("s", options)));
  CHECK(house.session.state() == State::destination_imported);
  CHECK_FALSE(house.script.did("vm create imported"));
}

TEST_CASE("session: an import without its fields, or that does not work, leaves no session") {
  MigrationHouse house;
  const auto missing = house.loop.run(house.session.import("s", "box", std::nullopt));
  CHECK(the_error(missing).message() == "config is required");
  const auto nameless = house.loop.run(house.session.import("s", "", MigrationHouse::config()));
  CHECK(the_error(nameless).message() == "sandbox_id is required");
  const auto other = house.loop.run(house.session.import("s", "box", google::protobuf::Any()));
  CHECK(the_error(other).code() == Errc::invalid_argument);
  house.script.failing = {"import box"};
  CHECK_FALSE(house.imported());
  CHECK(house.session.state() == State::idle);
  house.script.failing.clear();
  CHECK(house.imported());
}

TEST_CASE("session: a VM that cannot be made may be tried again") {
  MigrationHouse house;
  REQUIRE(house.imported());
  CHECK_FALSE(house.session.subscribe("s"));  // there is no VM to tell of
  house.script.failing = {"vm create imported"};
  CHECK_FALSE(house.prepared());
  CHECK(house.session.state() == State::destination_imported);
  house.script.failing.clear();
  CHECK(house.prepared());
  CHECK(house.session.subscribe("s"));
}

TEST_CASE("session: an export that fails half-way leaves the sandbox as it was (H6)") {
  MigrationHouse house;
  house.script.failing = {"save document"};
  CHECK_FALSE(house.exported());
  CHECK(house.session.state() == State::failed);
  CHECK_FALSE(house.sandbox.frozen);
  house.script.failing.clear();
  REQUIRE(house.finalize(FINALIZE_ACTION_RESUME));
  CHECK_FALSE(house.script.did("resume"));  // it was never frozen
  REQUIRE(house.cleanup());
  REQUIRE(house.exported());
}

TEST_CASE("session: a Finalize that failed goes on where it stopped when it is tried again (H7)") {
  for (const Side side : {Side::source, Side::destination}) {
    MigrationHouse house;
    REQUIRE(house.reach(State::transfer_completed, side));
    house.script.done.clear();
    house.script.failing = {"resume"};
    CHECK_FALSE(house.finalize(FINALIZE_ACTION_RESUME));
    CHECK(house.session.state() == State::transfer_completed);
    CHECK(house.script.done == Done{"vm resume", "resume"});
    house.script.failing.clear();
    house.script.done.clear();
    REQUIRE(house.finalize(FINALIZE_ACTION_RESUME));
    CHECK(house.script.done == Done{"resume", "not migrating"});
    CHECK(house.finalize(FINALIZE_ACTION_RESUME));  // nothing more to do
    CHECK(house.script.done.size() == 2);
    REQUIRE(house.cleanup());
  }
}

TEST_CASE("session: a stop that failed can be tried again, and a resume that failed be given up (H7)") {
  MigrationHouse house;
  REQUIRE(house.reach(State::transfer_completed, Side::destination));
  house.script.failing = {"resume", "vm stop"};
  CHECK_FALSE(house.finalize(FINALIZE_ACTION_RESUME));
  CHECK_FALSE(house.finalize(FINALIZE_ACTION_STOP));
  CHECK(house.session.state() == State::transfer_completed);
  house.script.failing.clear();
  REQUIRE(house.finalize(FINALIZE_ACTION_STOP));
  CHECK(house.script.did("leave"));
}

TEST_CASE("session: a Cancel after a Finalize is refused and bricks nothing (H8)") {
  for (const Side side : {Side::source, Side::destination}) {
    MigrationHouse house;
    REQUIRE(house.reach(State::finalized, side));
    CHECK(the_error(house.cancel()).code() == Errc::wrong_state);
    CHECK(house.session.state() == State::finalized);
    CHECK(house.cleanup());
    CHECK(house.session.state() == State::idle);
  }
}

TEST_CASE("session: subscribing while a transfer runs, or a call, waits for nothing, nor does a Cancel then (H9)") {
  MigrationHouse house;
  REQUIRE(house.reach(State::transferring, Side::source));
  const auto subscription = house.session.subscribe("s");
  REQUIRE(subscription);
  house.vm.tell(PHASE_BLACKOUT_STARTED);
  CHECK(events(house, *subscription).size() == 1);
  house.vm.deaf = true;
  auto cancelling = house.loop.start(house.session.cancel("s"));
  house.loop.settle();
  CHECK_FALSE(cancelling.done());
  CHECK(house.session.state() == State::cancelling);
  CHECK(house.session.subscribe("s"));
  CHECK(house.cancel());  // answered although the first is under way
  CHECK(the_error(house.finalize(FINALIZE_ACTION_STOP)).code() == Errc::wrong_state);
  house.finish(Error(Errc::internal, "cancelled"));
  REQUIRE(cancelling.done());
  CHECK(cancelling.value());
}

TEST_CASE("session: a failure while the session is cancelled is no news (H10)") {
  MigrationHouse house;
  REQUIRE(house.reach(State::transferring, Side::source));
  const auto subscription = house.session.subscribe("s");
  house.vm.on_cancel = [&house] { house.vm.tell(PHASE_FAILED, PHASE_STATE_SOURCE_FAILED); };
  REQUIRE(house.cancel());
  house.vm.tell(PHASE_FAILED, PHASE_STATE_SOURCE_FAILED);
  CHECK(house.session.state() == State::cancelled);
  CHECK(events(house, *subscription).empty());
  house.vm.tell(PHASE_FAILED, PHASE_STATE_CANCELLED);  // that it was cancelled is
  CHECK(events(house, *subscription).size() == 1);
}

TEST_CASE("session: a VM that does not end its transfer when it is cancelled is cut off after a limit") {
  MigrationHouse house;
  REQUIRE(house.reach(State::transferring, Side::source));
  house.vm.deaf = true;
  auto cancelling = house.loop.start(house.session.cancel("s"));
  house.loop.settle();
  house.pass(59s);
  CHECK_FALSE(cancelling.done());
  house.pass(1s);
  REQUIRE(cancelling.done());
  CHECK(cancelling.value());
  CHECK(house.session.state() == State::cancelled);
}

TEST_CASE("session: a VM that cannot be cancelled fails the session, and no transfer is left running") {
  MigrationHouse house;
  REQUIRE(house.reach(State::transferring, Side::source));
  house.script.failing = {"vm cancel"};
  CHECK_FALSE(house.cancel());
  CHECK(house.session.state() == State::failed);
  house.script.failing.clear();
  CHECK(house.cancel());
  CHECK(house.session.state() == State::cancelled);
  CHECK(house.finalize(FINALIZE_ACTION_RESUME));
}

TEST_CASE("session: an abandoned source is rolled back, as long as the VM is its own (H12)") {
  for (const State state : {State::source_exported, State::socket_waiting, State::socket_ready, State::transferring,
                            State::cancelled, State::failed}) {
    CAPTURE(to_string(state));
    MigrationHouse house;
    REQUIRE(house.reach(state, Side::source));
    house.pass(30min);
    house.pass(30min);  // a transfer's own news, such as its failure, begin the limit anew
    CHECK(house.session.state() == State::idle);
    CHECK_FALSE(house.sandbox.frozen);
    CHECK_FALSE(house.script.did("leave"));
    CHECK(house.exported());
  }
}

TEST_CASE("session: an abandoned destination is left, and its VM ended (H12)") {
  for (const State state :
       {State::destination_imported, State::destination_prepared, State::socket_waiting, State::socket_ready,
        State::transferring, State::transfer_completed, State::cancelled, State::failed}) {
    CAPTURE(to_string(state));
    MigrationHouse house;
    REQUIRE(house.reach(state, Side::destination));
    house.pass(30min);
    house.pass(30min);
    CHECK(house.session.state() == State::idle);
    CHECK(house.script.did("leave"));
    CHECK(house.script.did("vm stop") == (state != State::destination_imported));
    CHECK_FALSE(house.script.did("vm resume"));
  }
}

TEST_CASE("session: an abandoned source that has handed over its VM does not run it a second time (H12)") {
  for (const bool cancelled : {false, true}) {
    MigrationHouse house;
    REQUIRE(house.reach(State::transfer_completed, Side::source));
    if (cancelled) REQUIRE(house.cancel());
    house.pass(30min);
    house.pass(30min);
    CHECK_FALSE(house.script.did("vm resume"));
    CHECK_FALSE(house.script.did("vm stop"));
    CHECK(house.finalize(FINALIZE_ACTION_RESUME));  // somebody who knows may say so
  }
}

TEST_CASE("session: an abandoned session that was finalised is cleaned up, and changes nothing else (H12)") {
  for (const Side side : {Side::source, Side::destination}) {
    MigrationHouse house;
    REQUIRE(house.reach(State::finalized, side));
    house.script.done.clear();
    house.pass(31min);
    CHECK(house.session.state() == State::idle);
    CHECK(house.script.done.empty());
  }
}

TEST_CASE("session: who calls, listens or hears of its VM has not abandoned it (H12)") {
  MigrationHouse house;
  REQUIRE(house.exported());
  SUBCASE("a subscriber, and the limit begins when he goes") {
    auto subscription = house.session.subscribe("s");
    REQUIRE(subscription);
    house.pass(100min);
    CHECK(house.session.state() == State::source_exported);
    house.pass(15min);
    (*subscription).reset();
    house.pass(29min);
    CHECK(house.session.state() == State::source_exported);
  }
  SUBCASE("calls, even refused ones") {
    for (int count = 0; count < 5; ++count) {
      house.pass(29min);
      CHECK_FALSE(house.cleanup());
      CHECK(house.session.state() == State::source_exported);
    }
    house.pass(29min);
  }
  SUBCASE("events") {
    for (int count = 0; count < 5; ++count) {
      house.pass(29min);
      house.vm.tell(PHASE_SETUP_DONE);
    }
    house.pass(29min);
  }
  CHECK(house.session.state() == State::source_exported);
  house.pass(1min);
  CHECK(house.session.state() == State::idle);
}

TEST_CASE("session: an abandoned session that cannot be taken back is tried again after the limit (H12)") {
  MigrationHouse house;
  REQUIRE(house.exported());
  house.script.failing = {"resume"};
  house.pass(31min);
  CHECK(house.session.state() == State::failed);
  house.script.failing.clear();
  house.pass(31min);
  CHECK(house.session.state() == State::idle);
  CHECK_FALSE(house.sandbox.frozen);
}

TEST_CASE("session: a client that goes leaves no call half done") {
  MigrationHouse house;
  REQUIRE(house.reach(State::transferring, Side::source));
  house.vm.deaf = true;
  {
    io::TaskGroup client(house.loop.executor());
    struct Call {
      static io::Task<> cancel(Session& session) {
        const auto done = co_await session.cancel("s");
        gcs::discard(done, "nobody is there to see it");
      }
    };
    client.spawn("client", Call::cancel(house.session));
    house.loop.settle();
    client.cancel();
    house.loop.run(client.join());
  }
  CHECK(house.session.state() == State::cancelling);
  house.finish(Error(Errc::internal, "cancelled"));
  CHECK(house.session.state() == State::cancelled);
}

TEST_CASE("session: stop ends a transfer, a call that is under way, and the streams of events") {
  MigrationHouse house;
  REQUIRE(house.reach(State::transferring, Side::source));
  house.vm.deaf = true;
  const auto subscription = house.session.subscribe("s");
  auto next = house.loop.start((*subscription)->next());
  auto cancelling = house.loop.start(house.session.cancel("s"));
  auto waiting = house.loop.start(house.session.prepare_and_export("t", std::nullopt));
  house.loop.settle();
  house.loop.run(house.session.stop());
  house.loop.settle();
  REQUIRE(next.done());
  CHECK_FALSE(next.value());
  CHECK(cancelling.done());
  REQUIRE(waiting.done());
  CHECK(the_error(house.exported()).code() == Errc::wrong_state);
  CHECK(the_error(house.cancel()).code() == Errc::wrong_state);
}
