#include "runtime/pod_state.h"

#include <string>

namespace gcs::runtime {
namespace {

Error impossible(PodState state) {
  return Error(Errc::internal, "an event that cannot be: the pod is " + std::string(to_string(state)));
}

Result<PodState> join(PodState state) {
  switch (state) {
    case PodState::creating: return Error(Errc::wrong_state, "the pod's sandbox is still being created");
    case PodState::ready: return PodState::ready;
    case PodState::draining:
    case PodState::removing:
    case PodState::gone: return Error(Errc::not_found, "the pod's sandbox was deleted");
  }
  return impossible(state);
}

}  // namespace

std::string_view to_string(PodState state) {
  switch (state) {
    case PodState::creating: return "creating";
    case PodState::ready: return "ready";
    case PodState::draining: return "draining";
    case PodState::removing: return "removing";
    case PodState::gone: return "gone";
  }
  return "?";
}

Result<PodState> next_state(PodState state, PodEvent event) {
  auto only_from = [&](PodState from, PodState to) -> Result<PodState> {
    if (state == from) return to;
    return impossible(state);
  };
  switch (event) {
    case PodEvent::join: return join(state);
    case PodEvent::made: return only_from(PodState::creating, PodState::ready);
    case PodEvent::failed: return only_from(PodState::creating, PodState::removing);
    case PodEvent::retire: return only_from(PodState::ready, PodState::draining);
    case PodEvent::last_left: return only_from(PodState::draining, PodState::removing);
    case PodEvent::removed: return only_from(PodState::removing, PodState::gone);
  }
  return impossible(state);
}

}  // namespace gcs::runtime
