#include "tests/host/wire_check.h"

#include <cctype>
#include <cstdint>
#include <limits>
#include <nlohmann/json.hpp>
#include <span>

#include "tests/host/message.h"

namespace gcs::host {
namespace {

enum class Form { int32, uint32, text, guid, json_text, boolean, object, records, schema_versions };

/// One member of a message. Absent and null are always fine.
struct Member {
  const char* name;
  Form form;
};

constexpr Member kBase[] = {
    {"Result", Form::int32}, {"ActivityId", Form::guid}, {"ErrorMessage", Form::text}, {"ErrorRecords", Form::records}};
constexpr Member kRecord[] = {{"Result", Form::int32},     {"Message", Form::text},  {"StackTrace", Form::text},
                              {"ModuleName", Form::text},  {"FileName", Form::text}, {"Line", Form::uint32},
                              {"FunctionName", Form::text}};
constexpr Member kNegotiated[] = {{"Version", Form::uint32}, {"Capabilities", Form::object}};
constexpr Member kCapabilities[] = {{"SendHostCreateMessage", Form::boolean},
                                    {"SendHostStartMessage", Form::boolean},
                                    {"HvSocketConfigOnStartup", Form::boolean},
                                    {"SendLifecycleNotifications", Form::boolean},
                                    {"ModifyServiceSettingsSupported", Form::boolean},
                                    {"SupportedSchemaVersions", Form::schema_versions},
                                    {"RuntimeOsType", Form::text}};
constexpr Member kSchemaVersion[] = {{"Major", Form::uint32}, {"Minor", Form::uint32}};
constexpr Member kGuestDefined[] = {{"NamespaceAddRequestSupported", Form::boolean},
                                    {"SignalProcessSupported", Form::boolean},
                                    {"DumpStacksSupported", Form::boolean},
                                    {"DeleteContainerStateSupported", Form::boolean}};
constexpr Member kCreated[] = {{"SelectedVersion", Form::text}, {"SelectedProtocolVersion", Form::uint32}};
constexpr Member kExecuted[] = {{"ProcessId", Form::uint32}};
constexpr Member kWaited[] = {{"ExitCode", Form::uint32}};
constexpr Member kProperties[] = {{"Properties", Form::json_text}};
constexpr Member kStacks[] = {{"GuestStacks", Form::text}};
constexpr Member kNotification[] = {{"ContainerId", Form::text}, {"ActivityId", Form::guid},
                                    {"Type", Form::text},        {"Operation", Form::text},
                                    {"Result", Form::int32},     {"ResultInfo", Form::json_text}};

std::span<const Member> members_of(uint32_t request) {
  switch (static_cast<Message>(request)) {
    case Message::negotiate_protocol: return kNegotiated;
    case Message::create: return kCreated;
    case Message::execute_process: return kExecuted;
    case Message::wait_for_process: return kWaited;
    case Message::get_properties: return kProperties;
    case Message::dump_stacks: return kStacks;
    default: return {};
  }
}

bool in_range(const json& value, int64_t low, int64_t high) {
  if (!value.is_number_integer()) return false;
  if (value.is_number_unsigned()) return value.get<uint64_t>() <= static_cast<uint64_t>(high);
  return value.get<int64_t>() >= low && value.get<int64_t>() <= high;
}

bool is_guid(const json& value) {
  if (!value.is_string()) return false;
  const auto& text = value.get_ref<const std::string&>();
  if (text.size() != kNoActivity.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = kNoActivity[i] == '-';
    if (dash ? text[i] != '-' : std::isxdigit(static_cast<unsigned char>(text[i])) == 0) return false;
  }
  return true;
}

bool well_formed(const json& object, std::span<const Member> members, std::string& wrong);

bool all_well_formed(const json& list, std::span<const Member> members, std::string& wrong) {
  if (!list.is_array()) return false;
  for (const json& entry : list) {
    if (!entry.is_null() && !well_formed(entry, members, wrong)) return false;
  }
  return true;
}

bool has_form(const json& value, Form form, std::string& wrong) {
  switch (form) {
    case Form::int32: return in_range(value, std::numeric_limits<int32_t>::min(), std::numeric_limits<int32_t>::max());
    case Form::uint32: return in_range(value, 0, std::numeric_limits<uint32_t>::max());
    case Form::text: return value.is_string();
    case Form::guid: return is_guid(value);
    case Form::json_text: return value.is_string() && parse_json(value.get_ref<const std::string&>()).has_value();
    case Form::boolean: return value.is_boolean();
    case Form::object: return value.is_object();
    case Form::records: return all_well_formed(value, kRecord, wrong);
    case Form::schema_versions: return all_well_formed(value, kSchemaVersion, wrong);
  }
  return false;
}

/// False, and `wrong` names the member (the innermost one), where something has another form than it must.
bool well_formed(const json& object, std::span<const Member> members, std::string& wrong) {
  if (!object.is_object()) return false;
  for (const Member& expected : members) {
    const json* value = member(object, expected.name);
    if (value == nullptr || has_form(*value, expected.form, wrong)) continue;
    if (wrong.empty()) wrong = std::string(expected.name) + " is " + to_text(*value).substr(0, 80);
    return false;
  }
  return true;
}

Result<json> decode(std::string_view payload, std::span<const Member> base, std::span<const Member> more,
                    const std::string& what) {
  auto body = parse_json(payload);
  if (!body) return violation(5, what + " is not JSON: " + std::string(payload.substr(0, 80)));
  if (body->is_null()) return json::object();
  std::string wrong;
  if (well_formed(*body, base, wrong) && well_formed(*body, more, wrong)) return std::move(*body);
  return violation(5, what + " does not decode: " + (wrong.empty() ? std::string("not an object") : wrong));
}

}  // namespace

Error violation(int rule, std::string_view what) {
  return Error(Errc::malformed, "host rule " + std::to_string(rule) + " broken: " + std::string(what));
}

Result<> check_header(uint32_t type, uint32_t size) {
  if (size < kHeaderSize || size > kMaxFrame) {
    return violation(1, "frame size " + std::to_string(size) + " is outside 16..65536");
  }
  const auto kind = static_cast<MessageKind>(kind_of(type));
  if (kind != MessageKind::response && kind != MessageKind::notification) {
    return violation(3, "message type " + std::to_string(type) + " is neither response nor notification");
  }
  if (kind == MessageKind::notification && type != value(Message::container_notification)) {
    return violation(4, "unknown notification type " + std::to_string(type));
  }
  return {};
}

Result<json> check_response(uint32_t request, std::string_view payload) {
  auto body = decode(payload, kBase, members_of(request), name_of(request) + " response");
  if (!body || request != value(Message::negotiate_protocol)) return body;
  const json* capabilities = member(*body, "Capabilities");
  std::string wrong;
  if (capabilities == nullptr || well_formed(*capabilities, kCapabilities, wrong)) return body;
  return violation(5, "NegotiateProtocol response does not decode: " + wrong);
}

Result<json> check_notification(std::string_view payload) {
  return decode(payload, kNotification, {}, "notification");
}

Result<> check_negotiated(const json& answer) {
  if (number_of(answer, "Version") != 4) return Error(Errc::version, "the guest did not choose version 4");
  const json* capabilities = member(answer, "Capabilities");
  if (capabilities == nullptr || !capabilities->is_object()) return Error(Errc::version, "no Capabilities");
  bool present = false;  // null counts: the host keeps it as raw JSON
  for (const auto& item : capabilities->items()) present = present || item.key() == "GuestDefinedCapabilities";
  if (!present) return Error(Errc::version, "no GuestDefinedCapabilities");
  const json* guest_defined = member(*capabilities, "GuestDefinedCapabilities");
  std::string wrong;
  if (guest_defined == nullptr || well_formed(*guest_defined, kGuestDefined, wrong)) return {};
  return Error(Errc::version, "GuestDefinedCapabilities do not decode: " + wrong);
}

}  // namespace gcs::host
