#include "stdio/io/offload.h"

#include <csignal>

namespace gcs::io {
namespace {

constexpr unsigned kMaxThreads = 4;
constexpr std::chrono::seconds kIdleTime{2};

}  // namespace

class Offload::Job final : public Suspension {
 public:
  Job(Offload& offload, std::function<void()> body) : offload_(offload), body_(std::move(body)) {}

  /// On the helper thread; the loop is told by a post, the one thing of Asio that is safe across threads.
  void run() {
    body_();
    asio::post(offload_.executor_, [this] { resume(0); });
  }

 private:
  void start() override {
    const std::lock_guard lock(offload_.mutex_);
    offload_.queue_.push_back(this);
    if (offload_.idle_ == 0 && offload_.alive_ < kMaxThreads) {
      ++offload_.alive_;
      offload_.threads_.emplace_back([&offload = offload_] { offload.work(); });
    } else {
      offload_.wake_.notify_one();
    }
  }

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
  for (std::thread& thread : threads_) thread.join();
}

Task<> Offload::run(std::function<void()> job) {
  Job waiting(*this, std::move(job));
  co_await waiting.wait(executor_, "offload");
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
      const bool woken = wake_.wait_for(lock, kIdleTime) == std::cv_status::no_timeout;
      --idle_;
      if (!woken && queue_.empty()) {
        --alive_;
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
