#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "bridge/json.h"
#include "stdio/io/result.h"

/// What every request has in common. The requests themselves: messages_container.h, messages_process.h,
/// messages_resource.h; the answers: messages_out.h.
namespace gcs::bridge {

/// The id that stands for the VM itself, and the activity where there is none.
inline constexpr std::string_view kNullId = "00000000-0000-0000-0000-000000000000";

/// "No limit" in a request's TimeoutInMs.
inline constexpr uint32_t kForever = 0xffffffff;

/// 8-4-4-4-12 hexadecimal digits. A host that is sent any other ActivityId closes its bridge.
bool is_guid(std::string_view text);

struct Base {
  std::string container_id;
  std::string activity_id;                   ///< empty unless it is a GUID, and then to be left out of the answer
  std::map<std::string, std::string> trace;  ///< W3C trace context: traceparent, perhaps tracestate and baggage
};

/// A request's payload, parsed once. Reading never fails: what could be read is here, so that a refusal still echoes
/// the activity and names its container; what was wrong is in `failure`, and every decoder returns it.
struct Body {
  Json document;
  Base base;
  std::optional<uint32_t> process_id;  ///< where the request names one; for the origin of its answer
  std::optional<uint32_t> timeout_ms;  ///< the same
  std::optional<Error> failure;
};

Body read_body(std::string_view payload);

/// Start, ShutdownGraceful, ShutdownForced and DeleteContainerState have nothing but the base. DumpStacks needs not
/// even that: it is answered whatever its payload is, so take `body.base`.
Result<Base> decode_base(const Body& body);

}  // namespace gcs::bridge
