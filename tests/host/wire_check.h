#pragma once

#include <cstdint>
#include <string_view>

#include "stdio/io/result.h"
#include "tests/host/json_value.h"

namespace gcs::host {

// What the real host's bridge insists on (wire.md 13, measured row by row in host-quirks.md). An error's text names
// the rule by its number there; whoever gets one ends the bridge.

constexpr uint32_t kMaxFrame = 65536;

/// The error of a broken rule.
Error violation(int rule, std::string_view what);

/// Rules 1, 3 and 4: size, kind and notification type of a frame.
Result<> check_header(uint32_t type, uint32_t size);

/// Rule 5 for a response to `request`; gives the decoded body.
Result<json> check_response(uint32_t request, std::string_view payload);

/// Rule 5 for a container notification.
Result<json> check_notification(std::string_view payload);

/// What else the host asks of a successful answer to NegotiateProtocol before it goes on.
Result<> check_negotiated(const json& answer);

}  // namespace gcs::host
