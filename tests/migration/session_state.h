#pragma once

#include <string_view>

#include "stdio/io/result.h"

namespace gcs::migration {

enum class Side { none, source, destination };

/// Where a session is. `idle` is none at all; `cancelling` lasts while the VM gives up its transfer.
enum class State {
  idle,
  source_prepared,
  source_exported,
  destination_imported,
  destination_prepared,
  socket_waiting,
  socket_ready,
  transferring,
  transfer_completed,
  finalized,
  cancelling,
  cancelled,
  failed,
};

enum class Call {
  prepare_source,  ///< the first half of PrepareAndExportSandbox
  export_state,    ///< the second
  import_state,
  prepare_destination,
  register_socket,
  transfer,
  finalize_stop,
  finalize_resume,
  cancel,
  cleanup,
  notifications,
};

/// What else an answer depends on.
struct Facts {
  bool patched = false;         ///< each imported container is claimed
  bool has_socket = false;      ///< the transfer's transport is there, or being fetched
  bool transfer_asked = false;  ///< the transfer runs, or waits for its socket
  bool vm_created = false;      ///< destination: there was a VM in this session
  bool transferred = false;     ///< all of the VM is on the destination
};

/// A call that is allowed. Without `work` it is answered at once and changes nothing.
struct Move {
  State next;  ///< when the work has succeeded
  bool work = true;
};

/// Whether `call` is allowed, and where it leads; the check of its session id comes before.
///
///     call                  allowed in ──▶ next                                     else; failure of the work
///     prepare_source        idle ──▶ source_prepared                                FP; unchanged
///     export_state          source_prepared ──▶ source_exported                     FP; failed
///     import_state          idle ──▶ destination_imported                           FP; unchanged
///     prepare_destination   destination_imported, all patched                       FP; unchanged
///                             ──▶ destination_prepared
///     register_socket       source_exported, destination_prepared, socket_waiting   AE with a socket in the states up
///     to
///                             ──▶ socket_ready                                      transfer_completed, else FP;
///                             failed
///     transfer              source_exported, destination_prepared                   FP; (told by events)
///                             ──▶ socket_waiting
///                           socket_ready ──▶ transferring
///                           socket_waiting, transferring, transfer_completed: OK, nothing
///     finalize_*            transfer_completed, cancelled, failed ──▶ finalized     FP; unchanged
///                           finalized: OK, nothing
///       stop                destination cancelled: stays cancelled
///       resume              destination: only with all of the VM there (a)          FP
///     cancel                destination_imported ──▶ cancelled                      FP; failed
///                           other active states ──▶ cancelling ──▶ cancelled
///                           cancelling, cancelled: OK, nothing
///                           finalized: FP (b)
///     cleanup               finalized, destination cancelled ──▶ idle               FP; unchanged
///                           idle: OK, nothing
///     notifications         any active state; destination: once it had a VM         FP when idle; UN without a VM
///
/// FP `wrong_state`, AE `already_exists`, UN `internal`. Ours deviates from other hosts, for there it is a fault, in
/// that
///   (a) a destination that has not got its VM cannot be resumed: there it is tried, and fails in the hypervisor;
///   (b) Cancel after a Finalize is refused and changes nothing: there it leaves Finalized for good (H8).
///   (c) an empty session id never gets here, also when idle: there it passes for the session that is none (H11).
/// What failed while `finalize_*` worked may be done again, and goes on where it stopped (H7).
Result<Move> on_call(State state, Call call, Side side, const Facts& facts);

/// The state after the work of an allowed call has failed.
State after_failure(State before, Call call);

enum class Event {
  transfer_begun,  ///< the socket that was waited for is there
  transfer_done,
  transfer_failed,  ///< by itself, or because no socket came in time
};

/// What an event of the background transfer changes. While a session is cancelled, or once it is, nothing: that its
/// transfer fails is what was asked for, so nobody is told of a failure (H10).
struct Effect {
  State next;
  bool tell_failure = false;  ///< by PHASE_FAILED
};
Effect on_event(State state, Event event);

std::string_view to_string(State state);
std::string_view to_string(Call call);
std::string_view to_string(Side side);

}  // namespace gcs::migration
