#pragma once

#include <memory>
#include <mutex>

#include "stdio/io/condition.h"

namespace gcs::io {

/// Lets a task of the loop wait for what any thread may bring about. It outlives its waiter, and may outlive the loop.
class Wake {
 public:
  /// Any thread. Ends the pending wait, or else the next one.
  void signal();

  /// Waits for a signal; one task at a time. `name` is a static string for the task list.
  Task<> wait(Executor executor, const char* name);

 private:
  class Registration;

  std::mutex mutex_;
  bool signalled_ = false;
  std::shared_ptr<Condition> waiting_;
};

}  // namespace gcs::io
