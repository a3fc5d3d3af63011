#pragma once

// The one way in which this house includes Asio; its settings are PUBLIC definitions of the target gcs_io. What lives
// under asio::experimental in Debian 12's 1.22 is not used: the waits are our own (suspension.h).

#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
#include <asio/awaitable.hpp>
#include <asio/bind_cancellation_slot.hpp>
#include <asio/cancellation_signal.hpp>
#include <asio/co_spawn.hpp>
#include <asio/executor_work_guard.hpp>
#include <asio/io_context.hpp>
#include <asio/posix/stream_descriptor.hpp>
#include <asio/post.hpp>
#include <asio/steady_timer.hpp>
#include <asio/this_coro.hpp>
#include <asio/use_awaitable.hpp>
#include <coroutine>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif
