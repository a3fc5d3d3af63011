#pragma once

#include <cerrno>
#include <string>
#include <string_view>

namespace gcs {

/// What went wrong, named for the caller's next move.
enum class Errc {
  invalid_argument,     ///< a value is out of its range or not allowed; fix the request
  malformed,            ///< JSON that does not parse, or a field of the wrong type
  unsupported,          ///< understood, but not done here
  not_implemented,      ///< part of the protocol, but not built yet
  container_not_found,  ///< no such container
  process_not_found,    ///< no such process, or it has exited and its code is no longer kept
  namespace_not_found,  ///< no such network namespace
  not_found,            ///< any other thing that is not there (file, device, layer)
  already_exists,       ///< the id or path is taken
  already_stopped,      ///< the container has exited
  wrong_state,          ///< not possible in the thing's present state
  timed_out,            ///< the caller's own time limit passed
  exhausted,            ///< a limit of ours is reached; retry later
  disconnected,         ///< the host end is gone; wait for the next session or refill
  version,              ///< no protocol version in common
  internal,             ///< our bug, or the machine's
};

std::string_view to_string(Errc code);

/// A failure as a value: a code to act on, a sentence to read, and the errno where there was one.
class [[nodiscard]] Error {
 public:
  Error(Errc code, std::string message, int sys_errno = 0)
      : message_(std::move(message)), code_(code), errno_(sys_errno) {}

  Errc code() const { return code_; }
  const std::string& message() const { return message_; }
  int sys_errno() const { return errno_; }

  /// The same failure, seen from further out: "mount layer 3: No such device".
  Error within(std::string_view doing) const;

 private:
  std::string message_;
  Errc code_;
  int errno_;
};

/// Sorts an errno: the many ways in which a host can be gone are all `disconnected`, the rest is what open(2), mount(2)
/// and their kin mean by it. The sources are unix(7), vsock(7) and what bench runs saw on AF_VSOCK (a lost transport
/// yields ENODEV or ENOMEM on send, ENOTCONN on a pending ring receive).
Errc errc_of(int sys_errno);

/// An `Error` from an errno: "<doing>: <strerror>".
Error sys_error(std::string_view doing, int sys_errno = errno);

/// The same for an operation on a connection to the host, where every errno but ECANCELED means `disconnected`.
Error conn_error(std::string_view doing, int sys_errno = errno);

}  // namespace gcs
