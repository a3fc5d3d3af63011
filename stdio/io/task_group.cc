#include "stdio/io/task_group.h"

#include <algorithm>
#include <cassert>
#include <exception>

#include "stdio/io/log.h"

namespace gcs::io {
namespace {

TaskEntry* running = nullptr;
uint64_t last_id = 0;

std::list<TaskEntry*>& registry() {
  static std::list<TaskEntry*> tasks;
  return tasks;
}

}  // namespace

TaskEntry::TaskEntry(std::string task_name) : name(std::move(task_name)), id(++last_id) {
  place_ = registry().insert(registry().end(), this);
}

TaskEntry::~TaskEntry() {
  registry().erase(place_);
  if (running == this) running = nullptr;
}

TaskEntry* TaskEntry::current() {
  return running;
}

void TaskEntry::set_current(TaskEntry* task) {
  running = task;
}

std::vector<std::string> live_tasks() {
  std::vector<std::string> lines;
  for (const TaskEntry* task : registry()) lines.push_back(task->name + ": " + task->awaiting);
  return lines;
}

TaskGroup::~TaskGroup() {
  assert(tasks_.empty());
}

TaskGroup::TaskId TaskGroup::spawn(std::string name, Task<> task) {
  const auto entry = tasks_.emplace(tasks_.end(), std::move(name));
  auto finished = [this, entry](std::exception_ptr failure) {
    if (failure) {
      try {
        std::rethrow_exception(failure);
      } catch (const std::system_error& e) {
        if (e.code() != asio::error::operation_aborted) {
          log::error("task failed", {{"task", entry->name}, {"error", e.what()}});
        }
      } catch (const std::exception& e) {
        log::error("task failed", {{"task", entry->name}, {"error", e.what()}});
      } catch (...) {
        log::error("task failed", {{"task", entry->name}, {"error", "an exception of no known type"}});
      }
    }
    // Not here: the ending coroutine's cancellation state lives in the entry's signal until its frame is gone.
    asio::post(executor_, [this, entry] {
      tasks_.erase(entry);
      if (tasks_.empty()) emptied_.notify_all();
    });
  };
  asio::co_spawn(executor_, run(entry, std::move(task)),
                 asio::bind_cancellation_slot(entry->signal.slot(), std::move(finished)));
  return entry->id;
}

void TaskGroup::cancel(TaskId id) {
  for (TaskEntry& task : tasks_) {
    if (task.id == id) task.signal.emit(asio::cancellation_type::terminal);
  }
}

Task<> TaskGroup::run(Entries::iterator entry, Task<> task) {
  // co_spawn starts a coroutine inside the call when it can; posting keeps spawn() free of surprises.
  co_await asio::post(executor_, asio::use_awaitable_t<Executor>());
  TaskEntry::set_current(&*entry);
  entry->awaiting = "running";
  co_await std::move(task);
}

void TaskGroup::cancel() {
  for (TaskEntry& task : tasks_) task.signal.emit(asio::cancellation_type::terminal);
}

Task<> TaskGroup::join() {
  while (!tasks_.empty()) co_await emptied_.next();
}

}  // namespace gcs::io
