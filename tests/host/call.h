#pragma once

#include <nlohmann/json.hpp>

#include "stdio/io/condition.h"
#include "stdio/io/result.h"
#include "tests/host/message.h"

namespace gcs::host {

/// One request in flight. For sources only: it needs all of JSON.
class Call {
 public:
  Call(io::Executor executor, uint32_t request, int64_t number)
      : type(request), id(number), settled(executor, "answer") {}

  void settle(Result<nlohmann::json> with) {
    if (!result) result.emplace(std::move(with));
    settled.notify_all();
  }

  const uint32_t type;
  const int64_t id;
  uint32_t answer_type = 0;  ///< as the guest sent it; the host itself does not look
  std::optional<Result<nlohmann::json>> result;
  io::Condition settled;
};

}  // namespace gcs::host
