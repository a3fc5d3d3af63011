#include "tests/migration/session.h"

#include "stdio/io/log.h"
#include "tests/migration/init_options.h"
#include "tests/migration/saved_sandbox.h"
#include "tests/migration/see_through.h"
#include "tests/migration/transport_handover.h"

namespace gcs::migration {

using google::protobuf::Any;

Session::Session(io::Engine& engine, io::Clock& clock, WallClock wall, Vm& vm, Sandbox& sandbox, SessionLimits limits)
    : engine_(engine),
      clock_(clock),
      wall_(std::move(wall)),
      vm_(vm),
      sandbox_(sandbox),
      limits_(limits),
      changed_(engine.executor(), "migration session"),
      group_(engine.executor()) {}

Session::~Session() = default;

io::Task<> Session::stop() {
  stopped_ = true;
  group_.cancel();
  co_await group_.join();
  vm_.on_event({});
  if (notifications_) notifications_->close();
}

// A call's way in.

template <class T>
io::Task<Result<T>> Session::perform(const char* name, io::Task<Result<T>> work) {
  if (stopped_) co_return Error(Errc::wrong_state, "the migration service has ended");
  co_return co_await see_through(group_, name, std::move(work));
}

io::Task<Result<Any>> Session::prepare_and_export(std::string id, Options options) {
  return perform("prepare and export", do_prepare_and_export(std::move(id), std::move(options)));
}

io::Task<Result<>> Session::import(std::string id, std::string sandbox_id, std::optional<Any> config) {
  return perform("import", do_import(std::move(id), std::move(sandbox_id), std::move(config)));
}

io::Task<Result<>> Session::prepare(std::string id, Options options) {
  return perform("prepare", do_prepare(std::move(id), std::move(options)));
}

io::Task<Result<>> Session::register_socket(std::string id, std::string path) {
  return perform("register socket", do_register_socket(std::move(id), std::move(path)));
}

io::Task<Result<>> Session::transfer(std::string id, std::optional<io::Clock::Duration> wait) {
  return perform("begin transfer", do_transfer(std::move(id), wait));
}

io::Task<Result<>> Session::finalize(std::string id, FinalizeAction action) {
  return perform("finalize", do_finalize(std::move(id), action));
}

io::Task<Result<>> Session::cancel(std::string id) {
  return perform("cancel", do_cancel(std::move(id)));
}

io::Task<Result<>> Session::cleanup(std::string id) {
  return perform("cleanup", do_cleanup(std::move(id)));
}

Result<std::shared_ptr<Notifications::Subscription>> Session::subscribe(const std::string& id) {
  const auto known = check_id(Call::notifications, id);
  if (!known) return known.error();
  const auto move = judge(Call::notifications);
  if (!move) return move.error();
  heard();
  return notifications_->subscribe();
}

Result<> Session::check_id(Call call, const std::string& id) const {
  if (id.empty()) return Error(Errc::invalid_argument, "session_id is required");
  const bool makes_one = call == Call::prepare_source || call == Call::import_state;
  const bool needs_none = call == Call::cleanup && state_ == State::idle;
  if (makes_one || needs_none || id == id_) return {};
  return Error(Errc::invalid_argument, "session_id: \"" + id + "\" is not the active session");
}

Result<Move> Session::judge(Call call) const {
  Facts facts;
  facts.patched = state_ == State::destination_imported && sandbox_.patched();
  facts.has_socket = record_.had_socket;
  facts.transfer_asked = record_.transfer_asked;
  facts.vm_created = record_.vm_created;
  facts.transferred = record_.transferred;
  return on_call(state_, call, side_, facts);
}

io::Task<Result<Session::Admission>> Session::admit(Call call, std::string id) {
  for (;;) {
    const auto known = check_id(call, id);
    if (!known) co_return known.error();
    if (id == id_) heard();
    // While a session is cancelled nothing has work to do, so there is an answer at once.
    if (!busy_ || state_ == State::cancelling) break;
    co_await changed_.next();
  }
  const auto move = judge(call);
  if (!move) co_return move.error();
  Admission admission{*move, nullptr};
  if (move->work) admission.turn = take_turn();
  co_return std::move(admission);
}

Session::Turn Session::take_turn() {
  busy_ = true;
  return Turn(this);
}

void Session::EndTurn::operator()(Session* session) const {
  session->busy_ = false;
  session->heard();
  session->changed_.notify_all();
}

// The calls.

io::Task<Result<Any>> Session::do_prepare_and_export(std::string id, Options options) {
  const auto admitted = co_await admit(Call::prepare_source, id);
  if (!admitted) co_return admitted.error();
  if (options) {
    const auto checked = check(*options);
    if (!checked) co_return checked.error();
  }
  begin(id, Side::source);
  set_state(admitted->move.next);
  if (options) vm_.set_options(*options);
  const auto exporting = judge(Call::export_state);
  if (!exporting) co_return exporting.error();
  auto saved = sandbox_.save(vm_.document());
  if (!saved) {
    set_state(after_failure(state_, Call::export_state));
    co_return saved.error();
  }
  record_.frozen = true;
  set_state(exporting->next);
  co_return pack(std::move(*saved));
}

io::Task<Result<>> Session::do_import(std::string id, std::string sandbox_id, std::optional<Any> config) {
  if (id.empty()) co_return check_id(Call::import_state, id);
  if (sandbox_id.empty()) co_return Error(Errc::invalid_argument, "sandbox_id is required");
  if (!config) co_return Error(Errc::invalid_argument, "config is required");
  const auto admitted = co_await admit(Call::import_state, id);
  if (!admitted) co_return admitted.error();
  const auto payload = unpack_sandbox(*config);
  if (!payload) co_return payload.error();
  const auto imported = co_await sandbox_.import(sandbox_id, *payload);
  if (!imported) co_return imported.error();
  begin(id, Side::destination);
  set_state(admitted->move.next);
  co_return Result<>();
}

io::Task<Result<>> Session::do_prepare(std::string id, Options options) {
  const auto admitted = co_await admit(Call::prepare_destination, std::move(id));
  if (!admitted) co_return admitted.error();
  if (options) {
    const auto checked = check(*options);
    if (!checked) co_return checked.error();
    vm_.set_options(*options);
  }
  const auto created = co_await vm_.create(sandbox_.vm_document());
  if (!created) co_return created.error();
  record_.vm_created = true;
  set_state(admitted->move.next);
  co_return Result<>();
}

io::Task<Result<>> Session::do_register_socket(std::string id, std::string path) {
  const auto checked = check_handover_path(path);
  if (!checked) co_return checked.error();
  const auto admitted = co_await admit(Call::register_socket, std::move(id));
  if (!admitted) co_return admitted.error();
  auto taken = co_await take_transport(engine_, clock_, std::move(path), limits_.handover);
  // A transfer that waits for it may have given up meanwhile.
  const auto still = judge(Call::register_socket);
  if (!still) co_return still.error();
  if (!taken) {
    const bool awaited = record_.transfer_asked;
    set_state(after_failure(state_, Call::register_socket));
    if (awaited) tell_failure();
    const Errc code = taken.error().code() == Errc::wrong_state ? Errc::wrong_state : Errc::internal;
    co_return Error(code, "transport: " + taken.error().message(), taken.error().sys_errno());
  }
  record_.socket = std::move(*taken);
  record_.had_socket = true;
  set_state(still->next);
  co_return Result<>();
}

io::Task<Result<>> Session::do_transfer(std::string id, std::optional<io::Clock::Duration> wait) {
  const auto admitted = co_await admit(Call::transfer, std::move(id));
  if (!admitted) co_return admitted.error();
  if (!admitted->move.work) co_return Result<>();
  const bool named = wait && *wait > io::Clock::Duration::zero();
  const auto limit = named ? *wait : limits_.socket_wait;
  record_.transfer_asked = true;
  record_.transfer_running = true;
  set_state(admitted->move.next);
  transfer_task_ = group_.spawn("transfer", run_transfer(clock_.now() + limit));
  co_return Result<>();
}

io::Task<Result<>> Session::do_finalize(std::string id, FinalizeAction action) {
  if (action != FINALIZE_ACTION_STOP && action != FINALIZE_ACTION_RESUME) {
    co_return Error(Errc::invalid_argument, "action: " + std::to_string(action) + " is neither stop nor resume");
  }
  const bool stays = action == FINALIZE_ACTION_RESUME;
  const auto admitted = co_await admit(stays ? Call::finalize_resume : Call::finalize_stop, std::move(id));
  if (!admitted) co_return admitted.error();
  if (!admitted->move.work) co_return Result<>();
  Result<> done;
  if (stays) {
    done = co_await go_on();
  } else {
    done = co_await leave();
  }
  if (done) set_state(admitted->move.next);
  co_return done;
}

io::Task<Result<>> Session::do_cancel(std::string id) {
  const auto admitted = co_await admit(Call::cancel, std::move(id));
  if (!admitted) co_return admitted.error();
  if (!admitted->move.work) co_return Result<>();
  if (state_ != State::destination_imported) set_state(State::cancelling);
  auto done = co_await give_up_transfer();
  // What has come completely may still be resumed here; a part of a VM is of no use.
  if (done && side_ == Side::destination && !record_.transferred) done = co_await leave();
  set_state(done ? admitted->move.next : after_failure(state_, Call::cancel));
  co_return done;
}

io::Task<Result<>> Session::do_cleanup(std::string id) {
  const auto admitted = co_await admit(Call::cleanup, std::move(id));
  if (!admitted) co_return admitted.error();
  if (!admitted->move.work) co_return Result<>();
  if (state_ == State::cancelled) {
    const auto left = co_await leave();
    if (!left) co_return left.error();
  }
  end();
  co_return Result<>();
}

// The session's own news.

void Session::begin(const std::string& id, Side side) {
  id_ = id;
  side_ = side;
  record_ = Record();
  heard();
  const Origin origin = side == Side::source ? ORIGIN_SOURCE : ORIGIN_DESTINATION;
  notifications_ = std::make_unique<Notifications>(engine_.executor(), wall_, origin);
  notifications_->on_unsubscribed([this] { heard(); });
  vm_.on_event([this](const VmEvent& event) { on_vm_event(event); });
  group_.spawn("session watch", watch(++generation_));
}

void Session::end() {
  vm_.on_event({});
  notifications_.reset();
  record_ = Record();
  id_.clear();
  side_ = Side::none;
  ++generation_;
  set_state(State::idle);
}

void Session::set_state(State state) {
  if (state == state_) return;
  log::info("migration session", {{"session", id_}, {"side", to_string(side_)}, {"state", to_string(state)}});
  state_ = state;
  changed_.notify_all();
}

void Session::on_vm_event(const VmEvent& event) {
  heard();
  if (event.phase == PHASE_FAILED) {
    const bool cancelled = state_ == State::cancelling || state_ == State::cancelled;
    const bool says_so =
        event.state == PHASE_STATE_CANCELLED || event.state == PHASE_STATE_GUEST_INITIATED_CANCELLATION;
    if (record_.failure_told || (cancelled && !says_so)) return;
    record_.failure_told = true;
  }
  notifications_->publish(event);
}

void Session::apply(Event event) {
  const Effect effect = on_event(state_, event);
  set_state(effect.next);
  if (effect.tell_failure) tell_failure();
}

void Session::tell_failure() {
  if (record_.failure_told) return;
  record_.failure_told = true;
  VmEvent failure;
  failure.phase = PHASE_FAILED;
  failure.state = side_ == Side::source ? PHASE_STATE_SOURCE_FAILED : PHASE_STATE_DESTINATION_FAILED;
  notifications_->publish(failure);
}

}  // namespace gcs::migration
