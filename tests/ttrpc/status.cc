#include "tests/ttrpc/status.h"

#include "tests/ttrpc/frame.h"

namespace gcs::ttrpc {
namespace {

Errc errc_of(Code code) {
  switch (code) {
    case Code::invalid_argument:
    case Code::out_of_range: return Errc::invalid_argument;
    case Code::not_found: return Errc::not_found;
    case Code::already_exists: return Errc::already_exists;
    case Code::failed_precondition:
    case Code::aborted: return Errc::wrong_state;
    case Code::unimplemented: return Errc::unsupported;
    case Code::resource_exhausted: return Errc::exhausted;
    case Code::unavailable: return Errc::disconnected;
    case Code::deadline_exceeded: return Errc::timed_out;
    case Code::ok:
    case Code::cancelled:
    case Code::unknown:
    case Code::permission_denied:
    case Code::internal:
    case Code::data_loss:
    case Code::unauthenticated: return Errc::internal;
  }
  return Errc::internal;
}

}  // namespace

std::string to_string(Code code) {
  switch (code) {
    case Code::ok: return "ok";
    case Code::cancelled: return "cancelled";
    case Code::unknown: return "unknown";
    case Code::invalid_argument: return "invalid argument";
    case Code::deadline_exceeded: return "deadline exceeded";
    case Code::not_found: return "not found";
    case Code::already_exists: return "already exists";
    case Code::permission_denied: return "permission denied";
    case Code::resource_exhausted: return "resource exhausted";
    case Code::failed_precondition: return "failed precondition";
    case Code::aborted: return "aborted";
    case Code::out_of_range: return "out of range";
    case Code::unimplemented: return "unimplemented";
    case Code::internal: return "internal";
    case Code::unavailable: return "unavailable";
    case Code::data_loss: return "data loss";
    case Code::unauthenticated: return "unauthenticated";
  }
  return "code " + std::to_string(static_cast<int32_t>(code));
}

Code code_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument:
    case Errc::malformed: return Code::invalid_argument;
    case Errc::unsupported:
    case Errc::not_implemented: return Code::unimplemented;
    case Errc::container_not_found:
    case Errc::process_not_found:
    case Errc::namespace_not_found:
    case Errc::not_found: return Code::not_found;
    case Errc::already_exists: return Code::already_exists;
    case Errc::already_stopped:
    case Errc::wrong_state:
    case Errc::version: return Code::failed_precondition;
    case Errc::timed_out: return Code::deadline_exceeded;
    case Errc::exhausted: return Code::resource_exhausted;
    case Errc::disconnected: return Code::unavailable;
    case Errc::internal: return Code::unknown;
  }
  return Code::unknown;
}

Error to_error(const Status& status) {
  return Error(errc_of(status.code), status.message.empty() ? to_string(status.code) : status.message);
}

Status check_length(size_t length) {
  if (length <= kMaxPayload) return {};
  return Status(Code::resource_exhausted, "message length " + std::to_string(length) +
                                              " exceed maximum message size of " + std::to_string(kMaxPayload));
}

}  // namespace gcs::ttrpc
