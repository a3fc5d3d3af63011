#include "tests/support/manual_clock.h"

namespace gcs::testing {

struct ManualClock::Entry {
  std::function<void()> ring;
  bool alive = true;
};

class ManualClock::Handle final : public io::Alarm::Impl {
 public:
  explicit Handle(std::shared_ptr<Entry> entry) : entry_(std::move(entry)) {}
  ~Handle() override { entry_->alive = false; }

 private:
  std::shared_ptr<Entry> entry_;
};

io::Alarm ManualClock::at(TimePoint when, std::function<void()> ring) {
  auto entry = std::make_shared<Entry>();
  entry->ring = std::move(ring);
  alarms_.emplace(when, entry);
  return io::Alarm(std::make_unique<Handle>(entry));
}

void ManualClock::advance(Duration by) {
  now_ += by;
  while (!alarms_.empty() && alarms_.begin()->first <= now_) {
    const auto entry = alarms_.begin()->second;
    alarms_.erase(alarms_.begin());
    if (entry->alive) entry->ring();
  }
}

}  // namespace gcs::testing
