#include "runtime/process_state.h"

namespace gcs::runtime {
namespace {

using State = ProcessState;
using Event = ProcessEvent;

Error gone() {
  return Error(Errc::process_not_found, "the process has exited");
}

Error impossible() {
  return Error(Errc::internal, "an event that cannot be in this state of a process");
}

Result<State> on_request(State state, Event event) {
  if (state == State::forgotten) return gone();
  if (event != Event::wait && state != State::running) return gone();
  return state;
}

}  // namespace

Result<State> next_state(State state, Event event) {
  switch (event) {
    case Event::signal:
    case Event::resize:
    case Event::wait: return on_request(state, event);
    case Event::exit_seen:
      if (state == State::running) return State::draining;
      return impossible();
    case Event::drained:
      if (state == State::draining) return State::exited;
      return impossible();
    case Event::forget:
      if (state == State::exited) return State::forgotten;
      return impossible();
  }
  return impossible();
}

}  // namespace gcs::runtime
