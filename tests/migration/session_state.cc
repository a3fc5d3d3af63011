#include "tests/migration/session_state.h"

#include <string>

namespace gcs::migration {
namespace {

Error refused(State state, Call call, Side side) {
  std::string text(to_string(call));
  text += " not valid for ";
  text += to_string(side);
  text += " in state ";
  text += to_string(state);
  return Error(Errc::wrong_state, text);
}

Result<Move> on_register_socket(State state, Side side, const Facts& facts) {
  switch (state) {
    case State::source_exported:
    case State::destination_prepared:
    case State::socket_waiting:
    case State::socket_ready:
    case State::transferring:
    case State::transfer_completed: break;
    default: return refused(state, Call::register_socket, side);
  }
  if (facts.has_socket) return Error(Errc::already_exists, "the session has its socket already");
  if (state == State::socket_ready || state == State::transferring || state == State::transfer_completed) {
    return refused(state, Call::register_socket, side);
  }
  return Move{State::socket_ready};
}

Result<Move> on_transfer(State state, Side side, const Facts& facts) {
  switch (state) {
    case State::source_exported:
    case State::destination_prepared: return Move{State::socket_waiting};
    case State::socket_ready:
      if (facts.transfer_asked) return Move{state, false};
      return Move{State::transferring};
    case State::socket_waiting:
    case State::transferring:
    case State::transfer_completed: return Move{state, false};
    default: return refused(state, Call::transfer, side);
  }
}

Result<Move> on_finalize(State state, Call call, Side side, const Facts& facts) {
  const bool elsewhere = side == Side::destination;
  switch (state) {
    case State::finalized: return Move{state, false};
    case State::transfer_completed:
    case State::cancelled:
    case State::failed: break;
    default: return refused(state, call, side);
  }
  if (call == Call::finalize_resume && elsewhere && !facts.transferred) {
    return Error(Errc::wrong_state, "the VM has not come here: it cannot be resumed");
  }
  if (call == Call::finalize_stop && elsewhere && state == State::cancelled) return Move{State::cancelled};
  return Move{State::finalized};
}

Result<Move> on_cancel(State state, Side side) {
  switch (state) {
    case State::idle:
    case State::finalized: return refused(state, Call::cancel, side);
    case State::cancelling:
    case State::cancelled: return Move{state, false};
    default: return Move{State::cancelled};
  }
}

Result<Move> on_cleanup(State state, Side side) {
  if (state == State::idle) return Move{state, false};
  if (state == State::finalized) return Move{State::idle};
  if (state == State::cancelled && side == Side::destination) return Move{State::idle};
  return refused(state, Call::cleanup, side);
}

Result<Move> on_notifications(State state, Side side, const Facts& facts) {
  if (state == State::idle) return refused(state, Call::notifications, side);
  if (side == Side::destination && !facts.vm_created) return Error(Errc::internal, "the VM has not been created");
  return Move{state, false};
}

Result<Move> only_in(State wanted, State next, State state, Call call, Side side) {
  if (state != wanted) return refused(state, call, side);
  return Move{next};
}

}  // namespace

Result<Move> on_call(State state, Call call, Side side, const Facts& facts) {
  switch (call) {
    case Call::prepare_source: return only_in(State::idle, State::source_prepared, state, call, side);
    case Call::export_state: return only_in(State::source_prepared, State::source_exported, state, call, side);
    case Call::import_state: return only_in(State::idle, State::destination_imported, state, call, side);
    case Call::prepare_destination:
      if (state == State::destination_imported && !facts.patched) {
        return Error(Errc::wrong_state, "not every container has been claimed yet");
      }
      return only_in(State::destination_imported, State::destination_prepared, state, call, side);
    case Call::register_socket: return on_register_socket(state, side, facts);
    case Call::transfer: return on_transfer(state, side, facts);
    case Call::finalize_stop:
    case Call::finalize_resume: return on_finalize(state, call, side, facts);
    case Call::cancel: return on_cancel(state, side);
    case Call::cleanup: return on_cleanup(state, side);
    case Call::notifications: return on_notifications(state, side, facts);
  }
  return Error(Errc::internal, "no such call");
}

State after_failure(State before, Call call) {
  switch (call) {
    case Call::export_state:
    case Call::register_socket:
    case Call::cancel: return State::failed;
    case Call::prepare_source:
    case Call::import_state:
    case Call::prepare_destination:
    case Call::transfer:
    case Call::finalize_stop:
    case Call::finalize_resume:
    case Call::cleanup:
    case Call::notifications: break;
  }
  return before;
}

Effect on_event(State state, Event event) {
  switch (event) {
    case Event::transfer_begun: return {state == State::socket_ready ? State::transferring : state};
    case Event::transfer_done: return {state == State::transferring ? State::transfer_completed : state};
    case Event::transfer_failed:
      if (state == State::socket_waiting || state == State::socket_ready || state == State::transferring) {
        return {State::failed, true};
      }
      break;
  }
  return {state};
}

std::string_view to_string(State state) {
  switch (state) {
    case State::idle: return "Idle";
    case State::source_prepared: return "SourcePrepared";
    case State::source_exported: return "SourceExported";
    case State::destination_imported: return "DestinationImported";
    case State::destination_prepared: return "DestinationPrepared";
    case State::socket_waiting: return "SocketWaiting";
    case State::socket_ready: return "SocketReady";
    case State::transferring: return "Transferring";
    case State::transfer_completed: return "TransferCompleted";
    case State::finalized: return "Finalized";
    case State::cancelling: return "Cancelling";
    case State::cancelled: return "Cancelled";
    case State::failed: return "Failed";
  }
  return "Unknown";
}

std::string_view to_string(Call call) {
  switch (call) {
    case Call::prepare_source: return "prepare";
    case Call::export_state: return "export";
    case Call::import_state: return "import";
    case Call::prepare_destination: return "prepare";
    case Call::register_socket: return "create duplicate socket";
    case Call::transfer: return "transfer";
    case Call::finalize_stop: return "finalize stop";
    case Call::finalize_resume: return "finalize resume";
    case Call::cancel: return "cancel";
    case Call::cleanup: return "cleanup";
    case Call::notifications: return "notifications";
  }
  return "unknown call";
}

std::string_view to_string(Side side) {
  switch (side) {
    case Side::none: return "none";
    case Side::source: return "Source";
    case Side::destination: return "Destination";
  }
  return "unknown side";
}

}  // namespace gcs::migration
