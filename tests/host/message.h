#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stdio/io/result.h"

namespace gcs::host {

/// The messages by the names of wire.md 3. The companion reads the wire on its own, without the agent's codec: a slip
/// on one side must not cancel itself out on the other.
enum class Message : uint32_t {
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
  container_notification = 0x30100101,
};

/// "ExecuteProcess"; "0x10101101" for what has no name. A response has its request's name.
std::string name_of(uint32_t type);

constexpr uint32_t value(Message message) {
  return static_cast<uint32_t>(message);
}

enum class MessageKind : uint32_t { request = 1, response = 2, notification = 3 };
constexpr uint32_t kind_of(uint32_t type) {
  return type >> 28;
}
constexpr uint32_t response_to(uint32_t request) {
  return (request & 0x0fffffffu) | 0x20000000u;
}

constexpr size_t kHeaderSize = 16;
constexpr std::string_view kUvmId = "00000000-0000-0000-0000-000000000000";
constexpr std::string_view kNoActivity = kUvmId;

/// The 16 bytes before a payload; `size` counts them in.
struct Header {
  uint32_t type = 0;
  uint32_t size = 0;
  int64_t id = 0;
};

Header decode_header(std::span<const std::byte, kHeaderSize> bytes);

/// Header and payload as one piece.
std::string encode_frame(uint32_t type, int64_t id, std::string_view payload);

/// Only a header, with a size that need not be true.
std::string encode_header(const Header& header);

}  // namespace gcs::host
