#pragma once

#include <cstdint>
#include <list>
#include <string>
#include <vector>

#include "stdio/io/condition.h"
#include "stdio/io/result.h"
#include "stdio/io/task.h"

namespace gcs::io {

/// One running task as the task list shows it. Owned by its group.
struct TaskEntry {
  std::string name;
  uint64_t id;
  const char* awaiting = "start";
  asio::cancellation_signal signal;

  explicit TaskEntry(std::string task_name);
  ~TaskEntry();
  TaskEntry(const TaskEntry&) = delete;
  TaskEntry& operator=(const TaskEntry&) = delete;

  /// The task that runs right now, or null outside of any.
  static TaskEntry* current();
  static void set_current(TaskEntry* task);

 private:
  std::list<TaskEntry*>::iterator place_;
};

/// "name: awaiting" of every live task of every group, oldest first.
std::vector<std::string> live_tasks();

/// Owns running tasks. Declare it last: it must be empty (cancelled and joined) before what its tasks refer to goes.
/// A task that ends by an exception other than cancellation is a bug; it is logged and only that task ends.
class TaskGroup {
 public:
  explicit TaskGroup(Executor executor) : executor_(executor), emptied_(executor, "task group") {}
  ~TaskGroup();
  TaskGroup(const TaskGroup&) = delete;
  TaskGroup& operator=(const TaskGroup&) = delete;

  using TaskId = uint64_t;

  /// Starts the task in a later turn of the loop. The only way in which this house starts one.
  TaskId spawn(std::string name, Task<> task);

  /// The same as cancel() below for one task; nothing if it has ended.
  void cancel(TaskId task);

  /// Asks every task to end: what it awaits ends early, and its next co_await throws operation_aborted.
  void cancel();

  /// Waits until every task has ended, also those that are spawned meanwhile.
  Task<> join();

  size_t size() const { return tasks_.size(); }
  Executor executor() const { return executor_; }

 private:
  using Entries = std::list<TaskEntry>;
  Task<> run(Entries::iterator entry, Task<> task);

  Executor executor_;
  Entries tasks_;
  Condition emptied_;
};

}  // namespace gcs::io
