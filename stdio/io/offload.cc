#include "stdio/io/offload.h"

#include <cerrno>
#include <csignal>
#include <system_error>

namespace gcs::io {
namespace {

constexpr unsigned kMaxThreads = 4;

}  // namespace

class Offload::Job final : public Suspension {
 public:
  Job(Offload& offload, std::function<void()> body) : offload_(offload), body_(std::move(body)) {}

  /// On the helper thread; the loop is told by a post, the one thing of Asio that is safe across threads.
  void run() {
    int outcome = 0;
    try {
      body_();
    } catch (...) {
      outcome = EPROTO;
    }
    asio::post(offload_.executor_, [this, outcome] { resume(outcome); });
  }

  /// On the loop, in the place of run().
  void give_up() { post(EAGAIN); }

 private:
  void start() override { offload_.add(this); }

  void cancel() override {}  // see the class comment

  Offload& offload_;
  std::function<void()> body_;
};

Offload::~Offload() {
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (auto& [id, thread] : threads_) thread.join();
}

void Offload::add(Job* job) {
  const std::lock_guard lock(mutex_);
  join_ended();
  queue_.push_back(job);
  wake_.notify_one();
  // Idle threads that were woken for earlier jobs still count as idle, but those jobs count as well.
  if (queue_.size() <= idle_ || threads_.size() == kMaxThreads) return;
  try {
    std::thread thread([this] { work(); });
    const auto id = thread.get_id();
    threads_.emplace(id, std::move(thread));
  } catch (const std::system_error&) {
    if (!threads_.empty()) return;  // it waits for one of these
    queue_.pop_back();
    job->give_up();
  }
}

/// Short waits: a thread that is on this list only has to return.
void Offload::join_ended() {
  for (const auto id : ended_) {
    threads_.at(id).join();
    threads_.erase(id);
  }
  ended_.clear();
}

Task<Result<>> Offload::run(std::function<void()> job) {
  Job waiting(*this, std::move(job));
  const int outcome = co_await waiting.wait(executor_, "offload");
  if (outcome == EAGAIN) co_return Error(Errc::exhausted, "no thread can be started for what would block", EAGAIN);
  if (outcome != 0) co_return Error(Errc::internal, "a job on a helper thread failed unexpectedly");
  co_return Result<>();
}

void Offload::work() {
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_BLOCK, &all, nullptr);
  std::unique_lock lock(mutex_);
  for (;;) {
    while (queue_.empty()) {
      if (ending_) return;
      ++idle_;
      const bool woken = wake_.wait_for(lock, idle_time_) == std::cv_status::no_timeout;
      --idle_;
      if (!woken && queue_.empty()) {
        ended_.push_back(std::this_thread::get_id());
        return;
      }
    }
    Job* job = queue_.front();
    queue_.pop_front();
    lock.unlock();
    job->run();
    lock.lock();
  }
}

}  // namespace gcs::io
