#pragma once

#include "stdio/io/task.h"

namespace gcs::io {

/// Wakes the loop wherever it sleeps; any thread. What only the loop's own thread posts needs none of this.
void wake_loop(Executor executor);

/// Runs `call` on the loop; the one thing of a loop that other threads may use.
template <class Call>
void post_across(Executor executor, Call call) {
  asio::post(executor, std::move(call));
  wake_loop(executor);
}

}  // namespace gcs::io
