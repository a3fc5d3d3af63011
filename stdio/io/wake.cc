#include "stdio/io/wake.h"

#include "stdio/io/post_across.h"

namespace gcs::io {

/// Takes the condition away again when its waiter goes, also by cancellation: a later signal then posts to no loop.
class Wake::Registration {
 public:
  explicit Registration(Wake& wake) : wake_(wake) {}
  ~Registration() {
    const std::lock_guard lock(wake_.mutex_);
    wake_.waiting_.reset();
  }
  Registration(const Registration&) = delete;
  Registration& operator=(const Registration&) = delete;

 private:
  Wake& wake_;
};

void Wake::signal() {
  const std::lock_guard lock(mutex_);
  signalled_ = true;
  if (!waiting_) return;
  const Executor executor = waiting_->executor();
  post_across(executor, [condition = std::move(waiting_)] { condition->notify_all(); });
}

Task<> Wake::wait(Executor executor, const char* name) {
  const auto condition = std::make_shared<Condition>(executor, name);
  const Registration registration(*this);
  for (;;) {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(signalled_, false)) co_return;
      waiting_ = condition;
    }
    co_await condition->next();
  }
}

}  // namespace gcs::io
