#include "runtime/storage/claim.h"

#include <algorithm>
#include <set>

#include "stdio/io/condition.h"

namespace gcs::storage {

struct Claims::Taken {
  explicit Taken(io::Executor executor) : freed(executor, "a request at the same target") {}

  io::Condition freed;
  std::set<std::string> names;
};

class Claim {
 public:
  Claim(std::shared_ptr<Claims::Taken> taken, std::vector<std::string> names)
      : taken_(std::move(taken)), names_(std::move(names)) {
    taken_->names.insert(names_.begin(), names_.end());
  }
  ~Claim() {
    for (const std::string& name : names_) taken_->names.erase(name);
    taken_->freed.notify_all();
  }
  Claim(const Claim&) = delete;
  Claim& operator=(const Claim&) = delete;

 private:
  const std::shared_ptr<Claims::Taken> taken_;
  const std::vector<std::string> names_;
};

Claims::Claims(io::Executor executor) : taken_(std::make_shared<Taken>(executor)) {}

io::Task<Result<ClaimPtr>> Claims::take(std::vector<std::string> names, io::Clock& clock,
                                        io::Clock::TimePoint deadline) {
  const auto taken = taken_;
  auto all_free = [&] {
    return std::none_of(names.begin(), names.end(),
                        [&](const std::string& name) { return taken->names.contains(name); });
  };
  const bool free = co_await taken->freed.wait_until(clock, deadline, all_free);
  if (!free) co_return Error(Errc::timed_out, "another request is still at work at " + names.front());
  co_return std::make_shared<const Claim>(taken, std::move(names));
}

}  // namespace gcs::storage
