#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "stdio/io/condition.h"

namespace gcs::storage {

/// The names of what requests are at work on, so that two of them do not meet. Loop thread only.
class Claims {
 public:
  /// Names that others may not take while it lives; the Claims outlive it.
  class Claim {
   public:
    Claim(Claims& claims, std::vector<std::string> names);
    Claim(Claim&& other) noexcept : claims_(other.claims_), names_(std::exchange(other.names_, {})) {}
    Claim& operator=(Claim&&) = delete;
    ~Claim();

   private:
    Claims& claims_;
    std::vector<std::string> names_;
  };

  explicit Claims(io::Executor executor) : freed_(executor, "a request at the same target") {}

  /// Waits until nobody has any of the names.
  io::Task<Claim> take(std::vector<std::string> names);

 private:
  io::Condition freed_;
  std::set<std::string> taken_;
};

}  // namespace gcs::storage
