#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string_view>

#include "stdio/io/fd.h"
#include "stdio/io/result.h"
#include "stdio/io/task.h"

namespace gcs::io {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const std::byte*>(text.data()), text.size()};
}

/// One byte stream: a connection to the host, a pipe, or a pty. Owned by one task or one object; at most one reader and
/// one writer at a time. It must not be destroyed while an operation is pending: cancel and join the task first, or end
/// the operation with shut_down(). An outage breaks a connection for good; a new one is another Stream.
class Stream {
 public:
  virtual ~Stream() = default;

  /// 1 byte up to the buffer's size; 0 at the end of the stream (also a pty whose slaves are all closed).
  /// Errors: `disconnected` on a connection, else by errno.
  virtual Task<Result<size_t>> read_some(MutableBytes buffer) = 0;

  /// At least one byte of a non-empty buffer. Never raises SIGPIPE: a closed peer is `disconnected`.
  virtual Task<Result<size_t>> write_some(Bytes data) = 0;

  /// Waits until read_some() would not wait: lets an idle stream own no buffer.
  virtual Task<Result<>> wait_readable() = 0;
  virtual Task<Result<>> wait_writable() = 0;

  /// Half-closes: the peer reads the end. Nothing on a pipe or pty.
  virtual void shut_write() = 0;

  /// Ends a pending read with the end of the stream. Nothing on a pipe or pty.
  virtual void shut_read() = 0;

  /// Breaks the connection both ways at once; pending operations end.
  virtual void shut_down() = 0;

  /// What the peer has not read yet, where the transport can tell: on AF_UNIX the kernel's memory for it, which is 0 only
  /// when all is read (SIOCOUTQ). Nothing on other transports: a vsock's count is of what its device has not yet taken.
  virtual std::optional<size_t> unread() const { return std::nullopt; }

  /// The peer has closed the connection, not only its sending half, or it is broken: nothing more would be taken. Known
  /// at once, whatever is still to be read.
  virtual bool hung_up() const { return false; }

  /// The descriptor, for splice(2), ioctl(2) and passing to a child; -1 where there is none.
  virtual int native_handle() const { return -1; }
};

/// Writes all of `data`, or says why not.
Task<Result<>> write_all(Stream& stream, Bytes data);

/// Fills the buffer. Fewer bytes than its size only at the end of the stream.
Task<Result<size_t>> read_full(Stream& stream, MutableBytes buffer);

}  // namespace gcs::io
