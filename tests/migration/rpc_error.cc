#include "tests/migration/rpc_error.h"

namespace gcs::migration {
namespace {

// google.rpc.Code
constexpr int kUnknown = 2;
constexpr int kInvalidArgument = 3;
constexpr int kDeadlineExceeded = 4;
constexpr int kNotFound = 5;
constexpr int kAlreadyExists = 6;
constexpr int kResourceExhausted = 8;
constexpr int kFailedPrecondition = 9;
constexpr int kUnimplemented = 12;
constexpr int kInternal = 13;
constexpr int kUnavailable = 14;

int code_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return kInvalidArgument;
    case Errc::malformed: return kInternal;
    case Errc::unsupported:
    case Errc::not_implemented: return kUnimplemented;
    case Errc::container_not_found:
    case Errc::process_not_found:
    case Errc::not_found: return kNotFound;
    case Errc::already_exists: return kAlreadyExists;
    case Errc::already_stopped:
    case Errc::wrong_state:
    case Errc::version: return kFailedPrecondition;
    case Errc::timed_out: return kDeadlineExceeded;
    case Errc::exhausted: return kResourceExhausted;
    case Errc::disconnected: return kUnavailable;
    case Errc::internal: return kUnknown;
  }
  return kUnknown;
}

}  // namespace

RpcError rpc_error(const Error& error) {
  std::string text = error.message();
  if (error.code() == Errc::malformed) text = "ttrpc: error unmarshalling payload: " + text;
  return RpcError{code_of(error.code()), std::move(text)};
}

}  // namespace gcs::migration
