#include "stdio/io/error.h"

#include <cstring>

namespace gcs {

std::string_view to_string(Errc code) {
  switch (code) {
    case Errc::invalid_argument: return "invalid argument";
    case Errc::malformed: return "malformed";
    case Errc::unsupported: return "unsupported";
    case Errc::not_implemented: return "not implemented";
    case Errc::container_not_found: return "container not found";
    case Errc::process_not_found: return "process not found";
    case Errc::namespace_not_found: return "network namespace not found";
    case Errc::not_found: return "not found";
    case Errc::already_exists: return "already exists";
    case Errc::already_stopped: return "already stopped";
    case Errc::wrong_state: return "wrong state";
    case Errc::timed_out: return "timed out";
    case Errc::exhausted: return "exhausted";
    case Errc::disconnected: return "disconnected";
    case Errc::version: return "no common version";
    case Errc::internal: return "internal";
  }
  return "unknown";
}

Error Error::within(std::string_view doing) const {
  std::string text(doing);
  text += ": ";
  text += message_;
  return Error(code_, std::move(text), errno_);
}

Errc errc_of(int sys_errno) {
  switch (sys_errno) {
    case EPIPE:
    case ECONNRESET:
    case ECONNABORTED:
    case ENOTCONN:
    case ECONNREFUSED:
    case ETIMEDOUT:
    case ENODEV:
    case EALREADY:
    case EHOSTUNREACH:
    case ENETUNREACH:
    case ENETDOWN:
    case ESHUTDOWN: return Errc::disconnected;
    case ENOENT:
    case ENOTDIR:
    case ENXIO: return Errc::not_found;
    case ESRCH: return Errc::process_not_found;
    case EEXIST: return Errc::already_exists;
    case EINVAL:
    case ENAMETOOLONG:
    case ELOOP:
    case EXDEV: return Errc::invalid_argument;
    case ENOSYS:
    case EOPNOTSUPP: return Errc::unsupported;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
    case EAGAIN: return Errc::exhausted;
    case EBUSY:
    case ENOTEMPTY: return Errc::wrong_state;
    default: return Errc::internal;
  }
}

namespace {

std::string describe(std::string_view doing, int sys_errno) {
  std::string text(doing);
  text += ": ";
  text += strerrordesc_np(sys_errno) != nullptr ? strerrordesc_np(sys_errno) : "unknown error";
  return text;
}

}  // namespace

Error sys_error(std::string_view doing, int sys_errno) {
  return Error(errc_of(sys_errno), describe(doing, sys_errno), sys_errno);
}

Error conn_error(std::string_view doing, int sys_errno) {
  const Errc code = sys_errno == ECANCELED ? Errc::internal : Errc::disconnected;
  return Error(code, describe(doing, sys_errno), sys_errno);
}

}  // namespace gcs
