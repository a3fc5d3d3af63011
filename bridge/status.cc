#include "bridge/status.h"

#include "bridge/message_type.h"

namespace gcs::bridge {

namespace {

constexpr int32_t signed_hresult(uint32_t bits) {
  return static_cast<int32_t>(bits);
}

constexpr int32_t kFail = signed_hresult(0x80004005);
constexpr int32_t kNotImplemented = signed_hresult(0x80004001);

}  // namespace

int32_t hresult_of(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return signed_hresult(0x80070057);
    case Errc::malformed: return signed_hresult(0xc037010d);
    case Errc::container_not_found: return signed_hresult(0xc037010e);
    case Errc::process_not_found:
    case Errc::namespace_not_found: return signed_hresult(0x80070490);
    case Errc::already_exists: return signed_hresult(0xc037010f);
    case Errc::already_stopped: return signed_hresult(0xc0370110);
    case Errc::wrong_state: return signed_hresult(0x80370105);
    case Errc::timed_out: return signed_hresult(0xc0370109);
    case Errc::not_implemented: return kNotImplemented;
    case Errc::version: return signed_hresult(0xc037010c);
    case Errc::unsupported:
    case Errc::not_found:
    case Errc::exhausted:
    case Errc::disconnected:
    case Errc::internal: return kFail;
  }
  return kFail;
}

Status status_of(const Error& error) {
  const bool silent = error.message().empty();
  return Status{hresult_of(error.code()), silent ? std::string(to_string(error.code())) : error.message()};
}

Status not_implemented(uint32_t type) {
  return Status{kNotImplemented, "HRESULT 0x80004001: bridge: function not supported, header type: " + name_of(type)};
}

}  // namespace gcs::bridge
