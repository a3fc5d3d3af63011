#include "stdio/io/offload.h"

#include <cerrno>
#include <condition_variable>
#include <csignal>
#include <deque>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <vector>

#include "stdio/io/log.h"
#include "stdio/io/post_across.h"

namespace gcs::io {
namespace {

/// What a job throws ends there.
int attempt(const std::function<void()>& call) {
  try {
    call();
    return 0;
  } catch (...) {
    return EPROTO;
  }
}

}  // namespace

/// One call, kept by its caller and by the thread that runs it, whichever is longer.
///
///     queued ──▶ running ──kLimit──▶ slow ──▶ done        running, slow ──its own limit──▶ given up ──▶ done
struct Offload::Job {
  Job(std::function<void()> what, std::function<void()> undo, std::shared_ptr<const void> holds)
      : body(std::move(what)), take_back(std::move(undo)), held(std::move(holds)) {}

  /// On the loop, once all has run.
  void ended(int outcome);

  const std::function<void()> body;
  const std::function<void()> take_back;  // may be empty
  std::shared_ptr<const void> held;       // the loop's alone
  Waiter* waiter = nullptr;               // likewise; null once the caller has gone
  enum class State { queued, running, slow, given_up, done } state = State::queued;
};

/// What the loop and the helper threads share. A thread that hangs keeps it longer than the Offload lives.
struct Offload::Threads : std::enable_shared_from_this<Threads> {
  Threads(Executor on, std::chrono::milliseconds idle_at_most) : executor(on), idle_time(idle_at_most) {}

  bool add(const std::shared_ptr<Job>& job);
  void replace(const std::shared_ptr<Job>& job);
  int give_up(const std::shared_ptr<Job>& job);
  void end();

  unsigned working() const { return count - hung; }
  bool may_start() const { return working() < kThreads && count < kThreads + kHung; }
  bool start();
  void work();
  void hangs();
  bool next(std::unique_lock<std::mutex>& lock);
  void run_first(std::unique_lock<std::mutex>& lock);

  const Executor executor;
  const std::chrono::milliseconds idle_time;
  std::mutex mutex;
  std::condition_variable wake;  // of threads: a job, or the end
  std::condition_variable gone;  // a thread has ended
  std::deque<std::shared_ptr<Job>> queue;
  std::set<std::shared_ptr<Job>> given_up;  // and not yet ended
  unsigned count = 0;                       // of threads
  unsigned idle = 0;                        // of those
  unsigned hung = 0;                        // of those
  bool ending = false;
};

/// The caller's wait. An alarm ends it when the job does not.
class Offload::Waiter final : public Suspension {
 public:
  Waiter(Threads& threads, std::shared_ptr<Job> job) : threads_(threads), job_(std::move(job)) {}
  ~Waiter() { job_->waiter = nullptr; }

  void takes_long() { threads_.replace(job_); }

  void time_is_up() {
    const int outcome = threads_.give_up(job_);
    if (outcome == 0) return;  // it has ended, and the loop is about to hear of it
    job_->waiter = nullptr;
    post(outcome);
  }

 private:
  void start() override {
    job_->waiter = this;
    if (!threads_.add(job_)) post(EAGAIN);
  }

  void cancel() override {}  // see the class comment

  Threads& threads_;
  std::shared_ptr<Job> job_;
};

void Offload::Job::ended(int outcome) {
  if (waiter != nullptr) {
    waiter->resume(outcome);
  } else {
    log::warn("a job that was given up has ended after all");
  }
}

/// False: there is no thread for it, and none can be had.
bool Offload::Threads::add(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex);
  if (working() == 0 && !may_start()) return false;
  queue.push_back(job);
  wake.notify_one();
  // Idle threads that were woken for earlier jobs still count as idle, but those jobs count as well.
  if (queue.size() <= idle || !may_start() || start()) return true;
  if (working() > 0) return true;  // it waits for one of these
  queue.pop_back();
  return false;
}

/// One more thread hangs: those that wait need another.
void Offload::Threads::hangs() {
  ++hung;
  if (!queue.empty() && may_start()) start();
}

void Offload::Threads::replace(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex);
  if (job->state != Job::State::running) return;
  job->state = Job::State::slow;
  hangs();
  log::warn("a job takes long", {{"hung", hung}});
}

/// 0 when the job has ended, EBUSY for one that was never begun and never will be, else ETIMEDOUT.
int Offload::Threads::give_up(const std::shared_ptr<Job>& job) {
  const std::lock_guard lock(mutex);
  if (job->state == Job::State::done) return 0;
  if (job->state == Job::State::queued) {
    std::erase(queue, job);
    return EBUSY;
  }
  if (job->state == Job::State::running) hangs();
  job->state = Job::State::given_up;
  given_up.insert(job);
  log::error("a job hangs, and is given up", {{"hung", hung}});
  return ETIMEDOUT;
}

bool Offload::Threads::start() {
  try {
    std::thread([self = shared_from_this()] { self->work(); }).detach();
  } catch (const std::system_error&) {
    return false;
  }
  ++count;
  return true;
}

void Offload::Threads::end() {
  std::unique_lock lock(mutex);
  ending = true;
  for (const auto& job : given_up) job->held.reset();  // no loop will hear of their end
  wake.notify_all();
  gone.wait(lock, [this] { return working() == 0; });
}

void Offload::Threads::work() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock lock(mutex);
  while (next(lock)) run_first(lock);
  --count;
  gone.notify_all();
}

/// Waits for a job; false when this thread is to end.
bool Offload::Threads::next(std::unique_lock<std::mutex>& lock) {
  if (working() > kThreads) return false;  // it hung, and has been replaced
  while (queue.empty()) {
    if (ending) return false;
    ++idle;
    const bool woken = wake.wait_for(lock, idle_time) == std::cv_status::no_timeout;
    --idle;
    if (!woken && queue.empty()) return false;
  }
  return true;
}

void Offload::Threads::run_first(std::unique_lock<std::mutex>& lock) {
  std::shared_ptr<Job> job = std::move(queue.front());
  queue.pop_front();
  job->state = Job::State::running;
  lock.unlock();
  const int outcome = attempt(job->body);
  lock.lock();
  // Either its caller knows that it was given up, or hears what it gave: the state says which, under the lock.
  if (job->state == Job::State::given_up && job->take_back) {
    lock.unlock();
    attempt(job->take_back);
    lock.lock();
  }
  if (job->state != Job::State::running) --hung;
  given_up.erase(job);
  job->state = Job::State::done;
  // Under the lock, for after end() there may be no loop. The loop gets the last reference, so that a result ends
  // there.
  if (!ending) post_across(executor, [last = std::move(job), outcome] { last->ended(outcome); });
}

Offload::Offload(Executor executor, Clock& clock, std::chrono::milliseconds idle_time)
    : executor_(executor), clock_(clock), threads_(std::make_shared<Threads>(executor, idle_time)) {}

Offload::~Offload() {
  threads_->end();
}

Task<Result<>> Offload::run(std::function<void()> job, Clock::Duration limit, std::function<void()> take_back,
                            std::shared_ptr<const void> held) {
  Waiter waiting(*threads_, std::make_shared<Job>(std::move(job), std::move(take_back), std::move(held)));
  const auto begin = clock_.now();
  std::vector<Alarm> slow;  // a job that is still queued at one may run at the next
  for (Clock::Duration at = kLimit; at < limit; at += kLimit) {
    slow.push_back(clock_.at(begin + at, [&waiting] { waiting.takes_long(); }));
  }
  const Alarm alarm = clock_.at(begin + limit, [&waiting] { waiting.time_is_up(); });
  const int outcome = co_await waiting.wait(executor_, "offload");
  if (outcome == 0) co_return Result<>();
  if (outcome == EBUSY) co_return Error(Errc::exhausted, "no thread came free in time for what would block", EBUSY);
  if (outcome == EAGAIN) co_return Error(Errc::exhausted, "no thread can be had for what would block", EAGAIN);
  if (outcome == ETIMEDOUT) co_return Error(Errc::timed_out, "what would block took too long");
  co_return Error(Errc::internal, "a job on a helper thread failed unexpectedly");
}

}  // namespace gcs::io
