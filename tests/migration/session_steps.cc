#include "stdio/io/log.h"
#include "tests/migration/session.h"

namespace gcs::migration {

io::Task<> Session::run_transfer(io::Clock::TimePoint socket_deadline) {
  struct Ended {
    Session& session;
    ~Ended() {
      session.record_.vm_transferring = false;
      session.record_.transfer_running = false;
      session.changed_.notify_all();
    }
  };
  const Ended ended{*this};
  auto decided = [this] { return state_ != State::socket_waiting; };
  co_await changed_.wait_until(clock_, socket_deadline, decided);
  apply(Event::transfer_begun);
  if (state_ == State::socket_waiting) {
    log::error("no socket came for the transfer", {{"session", id_}});
    apply(Event::transfer_failed);
  }
  if (state_ != State::transferring) co_return;

  sandbox_.set_migrating(true);
  record_.migrating = true;
  record_.vm_moved = true;
  record_.vm_transferring = true;
  const auto moved = co_await vm_.transfer(std::move(record_.socket));
  if (moved) {
    record_.transferred = true;
    apply(Event::transfer_done);
  } else {
    const auto level = state_ == State::transferring ? log::Level::error : log::Level::info;
    log::write(level, "transfer ended early", {{"session", id_}, {"error", moved.error().message()}});
    apply(Event::transfer_failed);
  }
}

io::Task<Result<>> Session::give_up_transfer() {
  record_.socket.reset();
  if (!record_.transfer_running) co_return Result<>();
  Result<> asked;
  if (record_.vm_transferring) asked = co_await vm_.cancel();
  if (!asked) group_.cancel(transfer_task_);
  auto ended = [this] { return !record_.transfer_running; };
  const bool in_time = co_await changed_.wait_until(clock_, clock_.now() + limits_.giving_up, ended);
  if (!in_time) {
    log::error("a cancelled transfer does not end: cut off", {{"session", id_}});
    group_.cancel(transfer_task_);
    co_await changed_.wait(ended);
  }
  co_return asked;
}

io::Task<Result<>> Session::go_on() {
  // A source that has not begun to move runs already.
  if (record_.vm_moved && !record_.vm_resumed) {
    const auto resumed = co_await vm_.resume();
    if (!resumed) co_return resumed.error();
    record_.vm_resumed = true;
  }
  if (!record_.gone_on && (side_ == Side::destination || record_.frozen)) {
    const auto resumed = co_await sandbox_.resume();
    if (!resumed) co_return resumed.error();
    record_.gone_on = true;
  }
  if (record_.migrating) {
    record_.migrating = false;
    sandbox_.set_migrating(false);
  }
  co_return Result<>();
}

io::Task<Result<>> Session::leave() {
  const bool has_vm = side_ == Side::source || record_.vm_created;
  if (has_vm && !record_.vm_stopped) {
    const auto stopped = co_await vm_.stop();
    if (!stopped) co_return stopped.error();
    record_.vm_stopped = true;
  }
  record_.transferred = false;
  if (record_.migrating) {
    record_.migrating = false;
    sandbox_.set_migrating(false);
  }
  if (!record_.left) {
    co_await sandbox_.leave();
    record_.left = true;
  }
  co_return Result<>();
}

io::Task<> Session::watch(uint64_t generation) {
  auto over = [this, generation] { return generation_ != generation; };
  for (;;) {
    const bool ended = co_await changed_.wait_until(clock_, last_heard_ + limits_.abandoned, over);
    if (ended) co_return;
    if (busy_ || notifications_->has_subscribers()) heard();
    if (clock_.now() >= last_heard_ + limits_.abandoned) co_await abandon();
  }
}

io::Task<> Session::abandon() {
  const Turn turn = take_turn();
  log::warn("migration session abandoned", {{"session", id_}, {"state", to_string(state_)}});
  if (record_.transfer_running) {
    set_state(State::cancelling);
    const auto given_up = co_await give_up_transfer();
    discard(given_up, "it has ended, whatever the VM says");
    set_state(State::cancelled);
  }
  // All of the VM is at the destination, and may run there: to go on here could have it run twice. Somebody has to say.
  if (state_ != State::finalized && side_ == Side::source && record_.transferred) {
    log::error("the VM was handed over: kept standing still", {{"session", id_}});
    co_return;
  }
  Result<> done;
  if (state_ != State::finalized) {
    if (side_ == Side::source) {
      done = co_await go_on();
    } else {
      done = co_await leave();
    }
  }
  if (done) {
    end();
  } else {
    log::error("could not take back an abandoned migration", {{"session", id_}, {"error", done.error().message()}});
    set_state(State::failed);
  }
}

}  // namespace gcs::migration
