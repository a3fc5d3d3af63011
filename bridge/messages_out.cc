#include "bridge/messages_out.h"

#include <algorithm>

#include "bridge/frame.h"
#include "bridge/json_writer.h"
#include "bridge/messages.h"

namespace gcs::bridge {

namespace {

ObjectWriter begin(int32_t result, std::string_view activity_id) {
  ObjectWriter writer;
  writer.number("Result", result);
  if (is_guid(activity_id)) writer.text("ActivityId", activity_id);
  return writer;
}

/// What a further member of this name may take.
size_t room_for(std::string_view name, const ObjectWriter& writer) {
  return kMaxPayloadOut - writer.size() - name.size() - 4;  // a comma, two quotes, a colon
}

std::string properties_text(const Properties& properties, size_t shown) {
  ObjectWriter writer;
  if (!properties.process_ids.empty()) {
    std::string list = "[";
    for (size_t i = 0; i < shown; ++i) {
      if (i > 0) list += ',';
      list += ObjectWriter().number("ProcessId", properties.process_ids[i]).finish();
    }
    list += ']';
    writer.raw("ProcessList", list);
    const size_t omitted = properties.process_ids.size() - shown;
    if (omitted > 0) writer.number("ProcessListOmitted", static_cast<int64_t>(omitted));
  }
  if (!properties.metrics.empty()) writer.raw("LCOWMetrics", properties.metrics);
  return quote(writer.finish());
}

std::string_view name_of(ExitKind kind) {
  switch (kind) {
    case ExitKind::graceful: return "GracefulExit";
    case ExitKind::forced: return "ForcedExit";
    case ExitKind::unexpected: return "UnexpectedExit";
  }
  return "Unknown";
}

}  // namespace

std::string encode_success(std::string_view activity_id) {
  return begin(0, activity_id).finish();
}

std::string encode_negotiated(std::string_view activity_id, uint32_t version) {
  ObjectWriter guest;
  for (const char* name : {"NamespaceAddRequestSupported", "SignalProcessSupported", "DumpStacksSupported",
                           "DeleteContainerStateSupported"}) {
    guest.raw(name, "true");
  }
  ObjectWriter schema;
  schema.number("Major", 2).number("Minor", 1);
  ObjectWriter capabilities;
  capabilities.raw("SupportedSchemaVersions", "[" + schema.finish() + "]");
  capabilities.text("RuntimeOsType", "Linux");
  capabilities.raw("GuestDefinedCapabilities", guest.finish());  // a host's connect fails without it
  return begin(0, activity_id).number("Version", version).raw("Capabilities", capabilities.finish()).finish();
}

std::string encode_created(std::string_view activity_id) {
  return begin(0, activity_id).number("SelectedProtocolVersion", 0).finish();
}

std::string encode_executed(std::string_view activity_id, uint32_t process_id) {
  return begin(0, activity_id).number("ProcessId", process_id).finish();
}

std::string encode_exited(std::string_view activity_id, uint32_t exit_code) {
  return begin(0, activity_id).number("ExitCode", exit_code).finish();
}

std::string encode_stacks(std::string_view activity_id, std::string_view stacks) {
  auto writer = begin(0, activity_id);
  const size_t room = room_for("GuestStacks", writer);
  return writer.raw("GuestStacks", quote_within(stacks, room)).finish();
}

Result<std::string> encode_properties(std::string_view activity_id, const Properties& properties) {
  auto writer = begin(0, activity_id);
  const size_t room = room_for("Properties", writer);
  size_t shown = properties.process_ids.size();
  std::string text = properties_text(properties, shown);
  if (text.size() > room) {
    // An entry takes 19 bytes and more, so this is the most that can fit; then search between it and none.
    size_t low = 0;
    size_t high = std::min(shown, room / 19);
    while (low < high) {
      const size_t middle = (low + high + 1) / 2;
      if (properties_text(properties, middle).size() <= room) {
        low = middle;
      } else {
        high = middle - 1;
      }
    }
    text = properties_text(properties, low);
  }
  if (text.size() > room) return Error(Errc::exhausted, "the container's statistics do not fit into an answer");
  return writer.raw("Properties", text).finish();
}

std::string encode_failure(std::string_view activity_id, const Status& status) {
  const std::string text = quote_within(status.text, kMaxErrorText);
  ObjectWriter record;
  record.number("Result", status.result).raw("Message", text);
  record.text("ModuleName", "gcs").text("FileName", "").number("Line", 4294967295);  // no file, no line
  auto writer = begin(status.result, activity_id);
  return writer.raw("ErrorMessage", text).raw("ErrorRecords", "[" + record.finish() + "]").finish();
}

std::string encode_exit_notification(std::string_view container_id, std::string_view activity_id, ExitKind kind) {
  ObjectWriter writer;
  writer.text("ContainerId", container_id);
  writer.text("ActivityId", is_guid(activity_id) ? activity_id : kNullId);
  return writer.text("Type", name_of(kind)).text("Operation", "None").number("Result", 0).finish();
}

}  // namespace gcs::bridge
