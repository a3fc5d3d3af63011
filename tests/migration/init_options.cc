#include "tests/migration/init_options.h"

#include <cmath>
#include <string>

namespace gcs::migration {
namespace {

Error out_of_range(const std::string& field, const std::string& what) {
  return Error(Errc::invalid_argument, "init_options." + field + ": " + what);
}

Result<> check_throttle(const MemoryTransferThrottleParams& params) {
  const std::string at = "memory_transfer_throttle_params.";
  const uint32_t percentage = params.minimum_throttle_percentage();
  if (percentage > 255) {
    return out_of_range(at + "minimum_throttle_percentage", std::to_string(percentage) + " is above 255");
  }
  const double scale = params.throttling_scale();
  if (!std::isfinite(scale) || scale < 0) {
    return out_of_range(at + "throttling_scale", "not a number from 0 up");
  }
  return {};
}

}  // namespace

Result<> check(const InitializeOptions& options) {
  if (options.memory_transport() != MEMORY_TRANSPORT_TCP) {
    return Error(Errc::internal, "init_options.memory_transport: " + std::to_string(options.memory_transport()) +
                                     " is not supported, only TCP is");
  }
  return check_throttle(options.memory_transfer_throttle_params());
}

}  // namespace gcs::migration
