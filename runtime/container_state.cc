#include "runtime/container_state.h"

#include <csignal>

namespace gcs::runtime {
namespace {

using State = ContainerState;
using Event = ContainerEvent;

Error refused(State state) {
  return Error(Errc::wrong_state, "the container is " + std::string(to_string(state)));
}

Error impossible(State state) {
  return Error(Errc::internal, "an event that cannot be: the container is " + std::string(to_string(state)));
}

Result<State> from_creating(Event event) {
  switch (event) {
    case Event::create_done: return State::created;
    case Event::create_failed: return State::deleted;
    case Event::start:
    case Event::exec:
    case Event::shutdown:
    case Event::delete_: return refused(State::creating);
    case Event::start_done:
    case Event::start_failed:
    case Event::init_exited:
    case Event::delete_done:
    case Event::delete_failed: break;
  }
  return impossible(State::creating);
}

Result<State> from_created(Event event) {
  switch (event) {
    case Event::start: return State::starting;
    case Event::exec:  // the runtimes allow it: the namespaces are there
    case Event::shutdown: return State::created;
    case Event::delete_: return State::discarding;
    case Event::init_exited: return State::stopped;
    case Event::create_done:
    case Event::create_failed:
    case Event::start_done:
    case Event::start_failed:
    case Event::delete_done:
    case Event::delete_failed: break;
  }
  return impossible(State::created);
}

Result<State> from_starting(Event event) {
  switch (event) {
    case Event::start: return refused(State::starting);
    case Event::exec:
    case Event::shutdown: return State::starting;
    case Event::delete_: return refused(State::starting);
    case Event::start_done: return State::running;
    case Event::start_failed: return State::created;
    case Event::init_exited: return State::stopped;
    case Event::create_done:
    case Event::create_failed:
    case Event::delete_done:
    case Event::delete_failed: break;
  }
  return impossible(State::starting);
}

Result<State> from_running(Event event) {
  switch (event) {
    case Event::start:
    case Event::delete_: return refused(State::running);
    case Event::exec:
    case Event::shutdown: return State::running;
    case Event::init_exited: return State::stopped;
    case Event::create_done:
    case Event::create_failed:
    case Event::start_done:
    case Event::start_failed:
    case Event::delete_done:
    case Event::delete_failed: break;
  }
  return impossible(State::running);
}

Result<State> from_stopped(Event event) {
  switch (event) {
    case Event::start:
    case Event::exec:
    case Event::shutdown: return Error(Errc::already_stopped, "the container has stopped");
    case Event::delete_: return State::deleting;
    case Event::start_done:  // the answer to a start whose process ended first
    case Event::start_failed: return State::stopped;
    case Event::create_done:
    case Event::create_failed:
    case Event::init_exited:
    case Event::delete_done:
    case Event::delete_failed: break;
  }
  return impossible(State::stopped);
}

Result<State> from_discarding(Event event) {
  switch (event) {
    case Event::start:
    case Event::exec:
    case Event::shutdown:
    case Event::delete_: return refused(State::discarding);
    case Event::init_exited: return State::deleting;
    case Event::delete_done: return State::deleted;
    case Event::delete_failed: return State::created;
    case Event::create_done:
    case Event::create_failed:
    case Event::start_done:
    case Event::start_failed: break;
  }
  return impossible(State::discarding);
}

Result<State> from_deleting(Event event) {
  switch (event) {
    case Event::start:
    case Event::exec:
    case Event::shutdown:
    case Event::delete_: return refused(State::deleting);
    case Event::delete_done: return State::deleted;
    case Event::delete_failed: return State::stopped;
    case Event::create_done:
    case Event::create_failed:
    case Event::start_done:
    case Event::start_failed:
    case Event::init_exited: break;
  }
  return impossible(State::deleting);
}

Result<State> from_deleted(Event event) {
  switch (event) {
    case Event::start:
    case Event::exec:
    case Event::shutdown:
    case Event::delete_: return Error(Errc::container_not_found, "the container has been deleted");
    case Event::init_exited: return State::deleted;  // its process outlived a failed creation for a moment
    case Event::create_done:
    case Event::create_failed:
    case Event::start_done:
    case Event::start_failed:
    case Event::delete_done:
    case Event::delete_failed: break;
  }
  return impossible(State::deleted);
}

}  // namespace

std::string_view to_string(State state) {
  switch (state) {
    case State::creating: return "still being created";
    case State::created: return "created, not started";
    case State::starting: return "being started";
    case State::running: return "running";
    case State::stopped: return "stopped";
    case State::discarding: return "being deleted, not started";
    case State::deleting: return "being deleted";
    case State::deleted: return "deleted";
  }
  return "in no known state";
}

Result<State> next_state(State state, Event event) {
  switch (state) {
    case State::creating: return from_creating(event);
    case State::created: return from_created(event);
    case State::starting: return from_starting(event);
    case State::running: return from_running(event);
    case State::stopped: return from_stopped(event);
    case State::discarding: return from_discarding(event);
    case State::deleting: return from_deleting(event);
    case State::deleted: return from_deleted(event);
  }
  return impossible(state);
}

ExitType asked_after(ExitType asked, int signal) {
  if (signal == SIGKILL || signal == 0) return ExitType::forced;
  if (signal == SIGTERM && asked == ExitType::unexpected) return ExitType::graceful;
  return asked;
}

ExitType exit_type(ExitType asked, int exit_signal) {
  if (exit_signal == 0) return asked;
  if (asked == ExitType::forced) return exit_signal == SIGKILL || exit_signal == SIGTERM ? asked : ExitType::unexpected;
  if (asked == ExitType::graceful) return exit_signal == SIGTERM ? asked : ExitType::unexpected;
  return ExitType::unexpected;
}

}  // namespace gcs::runtime
