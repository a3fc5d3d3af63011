#pragma once

#include <sys/socket.h>

#include <memory>

#include "stdio/io/dialer.h"

namespace gcs::io {

/// connect(2) without blocking, finished by a poll on the engine. For vsock and Unix sockets alike.
Task<Result<std::unique_ptr<Stream>>> connect_socket(Engine& engine, Fd socket, const sockaddr_storage& address,
                                                     socklen_t size);

/// Accepts on a listening socket that it owns.
std::unique_ptr<Listener> make_socket_listener(Engine& engine, Fd listening);

}  // namespace gcs::io
