#include "bridge/message_type.h"

#include <string_view>

namespace gcs::bridge {

namespace {

/// Empty where the peers' own tables have no name, the host-only requests among them.
std::string_view noun_of(uint32_t request) {
  switch (MessageType{request}) {
    case MessageType::create: return "Create";
    case MessageType::start: return "Start";
    case MessageType::shutdown_graceful: return "ShutdownGraceful";
    case MessageType::shutdown_forced: return "ShutdownForced";
    case MessageType::execute_process: return "ExecuteProcess";
    case MessageType::wait_for_process: return "WaitForProcess";
    case MessageType::signal_process: return "SignalProcess";
    case MessageType::resize_console: return "ResizeConsole";
    case MessageType::get_properties: return "GetProperties";
    case MessageType::modify_settings: return "ModifySettings";
    case MessageType::negotiate_protocol: return "NegotiateProtocol";
    case MessageType::dump_stacks: return "DumpStacks";
    case MessageType::delete_container_state: return "DeleteContainerState";
    case MessageType::update_container:
    case MessageType::lifecycle_notification:
    case MessageType::modify_service_settings:
    case MessageType::notification: return {};
  }
  return {};
}

}  // namespace

MessageKind kind_of(uint32_t type) {
  switch (type >> 28) {
    case 1: return MessageKind::request;
    case 2: return MessageKind::response;
    case 3: return MessageKind::notification;
    default: return MessageKind::unknown;
  }
}

std::optional<MessageType> served_request(uint32_t type) {
  if (noun_of(type).empty()) return std::nullopt;
  return MessageType{type};
}

std::string name_of(uint32_t type) {
  if (type == static_cast<uint32_t>(MessageType::notification)) return "ComputeSystemNotificationV1";
  const bool is_response = kind_of(type) == MessageKind::response;
  const auto noun = noun_of(is_response ? 0x10000000u | (type & 0x0fffffffu) : type);
  if (noun.empty()) return std::to_string(type);
  std::string name = is_response ? "ComputeSystemResponse" : "ComputeSystem";
  name += noun;
  name += "V1";
  return name;
}

}  // namespace gcs::bridge
