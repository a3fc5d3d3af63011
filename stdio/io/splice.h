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

/// Bytes that a pipe holds (FIONREAD); 0 for anything else.
size_t readable_bytes(int pipe);

/// Duplicates what is at the front of a pipe, at most `most` bytes, at the back of another, without a copy; `from`
/// keeps it (tee(2)). 0 is the end of `from`; EAGAIN as above: `from` is empty or `to` full.
Result<size_t> tee_some(int from, int to, size_t most);

/// Throws the first `size` bytes of a pipe away, which it holds.
Result<> discard_bytes(int pipe, size_t size);

}  // namespace gcs::io
