#pragma once

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "stdio/io/result.h"
#include "stdio/io/suspension.h"

namespace gcs::io {

/// Runs what blocks (mounts, large removals, waiting for devices) on helper threads. A job touches no shared state: it
/// gets values and gives a value. Threads are started on demand, up to a few, and end when they have been idle.
///
/// A task that is cancelled stays until its job has ended: a job cannot be interrupted, and what it returns (a mount,
/// a descriptor) must not leak. Jobs therefore bound their own time.
class Offload {
 public:
  /// A thread without a job ends after `idle_time`.
  explicit Offload(Executor executor, std::chrono::milliseconds idle_time = std::chrono::seconds(2))
      : executor_(executor), idle_time_(idle_time) {}
  ~Offload();
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  /// Runs `job` on a helper thread and waits for it. `exhausted` where no thread can be had, `internal` for a job that
  /// throws.
  Task<Result<>> run(std::function<void()> job);

  /// The same for a job that gives a Result: `auto mounted = co_await offload.call<int>(job);`
  template <class T>
  Task<Result<T>> call(std::function<Result<T>()> job) {
    std::optional<Result<T>> result;
    std::function<void()> wrapped = [&result, &job] { result.emplace(job()); };
    const auto ran = co_await run(std::move(wrapped));
    if (!ran) co_return ran.error();
    co_return std::move(*result);
  }

 private:
  class Job;
  void add(Job* job);
  void work();
  void join_ended();

  Executor executor_;
  std::chrono::milliseconds idle_time_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<Job*> queue_;
  std::map<std::thread::id, std::thread> threads_;
  std::vector<std::thread::id> ended_;  ///< of threads_, not yet joined
  unsigned idle_ = 0;
  bool ending_ = false;
};

}  // namespace gcs::io
