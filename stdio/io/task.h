#pragma once

#include "stdio/io/asio.h"

namespace gcs::io {

using Executor = asio::io_context::executor_type;

/// A coroutine of the loop thread. It is owned by whoever awaits it, or by a TaskGroup.
template <class T = void>
using Task = asio::awaitable<T, Executor>;

/// `co_await ignore_cancellation();` From here on a cancellation of this task throws nothing: for clean-up that has to
/// await before the task may end. Say at the call why it is bounded. Not a Task: to await one would throw.
inline auto ignore_cancellation() {
  return asio::this_coro::throw_if_cancelled(false);
}

/// Whether a cancellation of this task is thrown at present: asked before ignore_cancellation(), so that a section
/// inside another one does not end both.
inline auto heeds_cancellation() {
  return asio::this_coro::throw_if_cancelled();
}

/// The end of that: as it was before. What was not noticed is then thrown by the next co_await.
inline auto heed_cancellation(bool before = true) {
  return asio::this_coro::throw_if_cancelled(before);
}

/// True once somebody asked this task to end. Never throws.
Task<bool> cancelled();

}  // namespace gcs::io
