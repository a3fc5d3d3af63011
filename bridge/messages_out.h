#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bridge/status.h"
#include "stdio/io/result.h"

/// The payloads that we send. All are valid UTF-8 and fit into a frame. An `activity_id` that is no GUID is left out,
/// for a host closes its bridge over one.
namespace gcs::bridge {

/// Success with nothing else to say: Start, Shutdown, SignalProcess, ResizeConsole, ModifySettings, Delete.
std::string encode_success(std::string_view activity_id);

std::string encode_negotiated(std::string_view activity_id, uint32_t version);
std::string encode_created(std::string_view activity_id);
std::string encode_executed(std::string_view activity_id, uint32_t process_id);
std::string encode_exited(std::string_view activity_id, uint32_t exit_code);

/// Stacks that do not fit are cut, visibly.
std::string encode_stacks(std::string_view activity_id, std::string_view stacks);

struct Properties {
  std::vector<uint32_t> process_ids;
  std::string metrics;  ///< LCOWMetrics, as JSON text; empty where nobody asked
};

/// A process list that does not fit (some 3000 entries) loses whole entries at its end, and `ProcessListOmitted` beside
/// it says how many: half a list shows the host more than an error would, and no host minds one member more. Metrics
/// are never cut: ones that do not fit are `exhausted`.
Result<std::string> encode_properties(std::string_view activity_id, const Properties& properties);

/// The answer to any request that failed. Longer texts than kMaxErrorText are cut, visibly.
std::string encode_failure(std::string_view activity_id, const Status& status);

inline constexpr size_t kMaxErrorText = 8192;  ///< bytes once escaped; the text is written twice

enum class ExitKind { graceful, forced, unexpected };

/// A container's exit. Its activity id is that of the Create, or none; a notification cannot go without one.
std::string encode_exit_notification(std::string_view container_id, std::string_view activity_id, ExitKind kind);

}  // namespace gcs::bridge
