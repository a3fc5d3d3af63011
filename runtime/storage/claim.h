#pragma once

#include <memory>
#include <string>
#include <vector>

#include "stdio/io/clock.h"
#include "stdio/io/result.h"

namespace gcs::storage {

/// Names that others may not take while it lives.
class Claim;
using ClaimPtr = std::shared_ptr<const Claim>;

/// The names of what requests are at work on, so that two of them do not meet. A request shares its claim with its
/// jobs: one that is given up keeps it until it has ended, be that after the Claims. Loop thread only.
class Claims {
 public:
  explicit Claims(io::Executor executor);

  /// Waits until nobody has any of the names, at most until `deadline`: `timed_out`.
  io::Task<Result<ClaimPtr>> take(std::vector<std::string> names, io::Clock& clock, io::Clock::TimePoint deadline);

 private:
  friend class Claim;
  struct Taken;

  const std::shared_ptr<Taken> taken_;
};

}  // namespace gcs::storage
