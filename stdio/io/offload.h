#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "stdio/io/clock.h"
#include "stdio/io/result.h"
#include "stdio/io/suspension.h"

namespace gcs::io {

/// Runs what blocks (mounts, large removals, waiting for devices) on helper threads. A job touches no shared state: it
/// gets values and gives a value. Threads are started on demand and end when they have been idle.
///
/// A job cannot be interrupted, only given up: past its limit the caller is told `timed_out`. What the job gives then
/// goes nowhere; what it did stays done, unless the call says how it is taken back. A job that is at
/// work kLimit after its call, or a multiple of that, counts as hung until it ends, given up or not.
///
///     kThreads (4) work at a time; a hung one is replaced, up to kHung (16) of them; more than that hang in the
///     places of the four; when all of those hang too, every call is `exhausted` at once until one comes back.
///
/// A cancelled task waits for its job as others do: what it did is then known.
class Offload {
 public:
  static constexpr unsigned kThreads = 4;
  static constexpr unsigned kHung = 16;

  /// As long as anything here should take: the OCI runtime's limit, too.
  static constexpr std::chrono::seconds kLimit{60};

  /// For what may take as long as a disk wants to: hosts wait 5 min for an answer.
  static constexpr std::chrono::minutes kLongLimit{4};

  /// How to take back what a job did that was given up, by what it gave; on its thread, as a part of it.
  template <class T>
  using TakeBack = std::function<void(const Result<T>&)>;

  /// A thread without a job ends after `idle_time`.
  Offload(Executor executor, Clock& clock, std::chrono::milliseconds idle_time = std::chrono::seconds(2));

  /// Waits for the threads, but for those that hang.
  ~Offload();
  Offload(const Offload&) = delete;
  Offload& operator=(const Offload&) = delete;

  /// Runs `job` on a helper thread and waits for it, at most for `limit`: `timed_out`. `exhausted` where no thread can
  /// be had, or none comes free in that time, and the job is never begun; `internal` for one that throws.
  ///
  /// `take_back` (may be empty) runs on the same thread after a job that was given up. `held` is let go, on the loop,
  /// once nothing of the job is left to be done, or with the Offload.
  Task<Result<>> run(std::function<void()> job, Clock::Duration limit, std::function<void()> take_back,
                     std::shared_ptr<const void> held);

  /// The same for a job that gives a Result: `auto mounted = co_await offload.call<int>(job);`
  template <class T>
  Task<Result<T>> call(std::function<Result<T>()> job, Clock::Duration limit = kLimit) {
    return call<T>(std::move(job), limit, TakeBack<T>(), nullptr);
  }

  template <class T>
  Task<Result<T>> call(std::function<Result<T>()> job, Clock::Duration limit, TakeBack<T> take_back,
                       std::shared_ptr<const void> held) {
    // Shared with a job that may outlast the caller.
    const auto result = std::make_shared<std::optional<Result<T>>>();
    std::function<void()> wrapped = [result, job = std::move(job)] { result->emplace(job()); };
    std::function<void()> undo;
    if (take_back) {
      undo = [result, take_back = std::move(take_back)] {
        if (*result) take_back(**result);
      };
    }
    const auto ran = co_await run(std::move(wrapped), limit, std::move(undo), std::move(held));
    if (!ran) co_return ran.error();
    co_return std::move(**result);
  }

 private:
  class Waiter;
  struct Job;
  struct Threads;

  Executor executor_;
  Clock& clock_;
  std::shared_ptr<Threads> threads_;
};

}  // namespace gcs::io
