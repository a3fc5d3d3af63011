#include "runtime/storage/claim.h"

#include <algorithm>

namespace gcs::storage {

Claims::Claim::Claim(Claims& claims, std::vector<std::string> names) : claims_(claims), names_(std::move(names)) {
  claims_.taken_.insert(names_.begin(), names_.end());
}

Claims::Claim::~Claim() {
  if (names_.empty()) return;
  for (const std::string& name : names_) claims_.taken_.erase(name);
  claims_.freed_.notify_all();
}

io::Task<Claims::Claim> Claims::take(std::vector<std::string> names) {
  auto all_free = [&] {
    return std::none_of(names.begin(), names.end(), [&](const std::string& name) { return taken_.contains(name); });
  };
  co_await freed_.wait(all_free);
  co_return Claim(*this, std::move(names));
}

}  // namespace gcs::storage
