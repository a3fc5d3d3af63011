#include "stdio/io/condition.h"

namespace gcs::io {

class Condition::Waiter final : public Suspension {
 public:
  explicit Waiter(Condition& condition) : condition_(condition) {}

 private:
  void start() override { condition_.waiters_.push_back(this); }

  void cancel() override {
    condition_.waiters_.remove(this);
    post(0);
  }

  Condition& condition_;
};

Task<> Condition::next() {
  Waiter waiter(*this);
  co_await waiter.wait(executor_, name_);
}

void Condition::notify_all() {
  std::list<Waiter*> woken;
  woken.swap(waiters_);
  for (Waiter* waiter : woken) waiter->post(0);
}

}  // namespace gcs::io
