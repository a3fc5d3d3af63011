#pragma once

#include <cstddef>

#include "stdio/io/result.h"

namespace gcs::io {

/// True where splice(2) from a pipe into this socket is cheaper than read and send: AF_UNIX, and AF_VSOCK since 6.5
/// (before, the kernel sends each page by itself). The descriptors are a pipe and a socket, or -1.
bool splice_pays(int pipe, int socket);

/// Moves what is there, at most `most` bytes, without waiting and without a copy. 0 is the end of the pipe; the errno
/// EAGAIN (in the error) says that the pipe is empty or the socket full. Both must be non-blocking: an empty blocking
/// vsock would block in spite of SPLICE_F_NONBLOCK.
Result<size_t> splice_some(int pipe, int socket, size_t most);

}  // namespace gcs::io
