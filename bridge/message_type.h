#pragma once

#include <cstdint>
#include <optional>
#include <string>

/// What a frame's type says. Its bits: 31-28 kind, 27-20 category, 19-8 number, 7-0 version.
namespace gcs::bridge {

enum class MessageType : uint32_t {
  create = 0x10100101,
  start = 0x10100201,
  shutdown_graceful = 0x10100301,
  shutdown_forced = 0x10100401,
  execute_process = 0x10100501,
  wait_for_process = 0x10100601,
  signal_process = 0x10100701,
  resize_console = 0x10100801,
  get_properties = 0x10100901,
  modify_settings = 0x10100a01,
  negotiate_protocol = 0x10100b01,
  dump_stacks = 0x10100c01,
  delete_container_state = 0x10100d01,

  // Hosts have names for these, but no Linux guest serves them.
  update_container = 0x10100e01,
  lifecycle_notification = 0x10100f01,
  modify_service_settings = 0x10200101,

  notification = 0x30100101,  ///< the only one that a guest may send
};

enum class MessageKind { request, response, notification, unknown };

MessageKind kind_of(uint32_t type);

/// The request that a guest serves under this number; empty for host-only requests, other kinds and the unknown.
std::optional<MessageType> served_request(uint32_t type);

/// The type of the answer to a request, known or not.
constexpr uint32_t response_type(uint32_t request) {
  return 0x20000000u | (request & 0x0fffffffu);
}
constexpr uint32_t response_type(MessageType request) {
  return response_type(static_cast<uint32_t>(request));
}

/// The name that hosts expect in error texts: "ComputeSystemCreateV1" and its like, decimal digits where there is none.
std::string name_of(uint32_t type);
inline std::string name_of(MessageType type) {
  return name_of(static_cast<uint32_t>(type));
}

}  // namespace gcs::bridge
