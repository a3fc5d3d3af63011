#include "tests/host/message.h"

#include <array>
#include <cstdio>

namespace gcs::host {
namespace {

struct Name {
  Message message;
  const char* text;
};

constexpr Name kNames[] = {
    {Message::create, "Create"},
    {Message::start, "Start"},
    {Message::shutdown_graceful, "ShutdownGraceful"},
    {Message::shutdown_forced, "ShutdownForced"},
    {Message::execute_process, "ExecuteProcess"},
    {Message::wait_for_process, "WaitForProcess"},
    {Message::signal_process, "SignalProcess"},
    {Message::resize_console, "ResizeConsole"},
    {Message::get_properties, "GetProperties"},
    {Message::modify_settings, "ModifySettings"},
    {Message::negotiate_protocol, "NegotiateProtocol"},
    {Message::dump_stacks, "DumpStacks"},
    {Message::delete_container_state, "DeleteContainerState"},
};

template <class T>
void put(std::string& out, T number) {
  for (size_t i = 0; i < sizeof number; ++i) out.push_back(static_cast<char>(number >> (8 * i)));
}

template <class T>
T take(std::span<const std::byte> bytes) {
  T number = 0;
  for (size_t i = 0; i < sizeof number; ++i) number |= static_cast<T>(static_cast<uint8_t>(bytes[i])) << (8 * i);
  return number;
}

}  // namespace

std::string name_of(uint32_t type) {
  if (type == value(Message::container_notification)) return "Notification";
  for (const Name& name : kNames) {
    if ((value(name.message) & 0x0fffffffu) == (type & 0x0fffffffu)) return name.text;
  }
  std::array<char, 16> text{};
  std::snprintf(text.data(), text.size(), "0x%08x", type);
  return text.data();
}

Header decode_header(std::span<const std::byte, kHeaderSize> bytes) {
  Header header;
  header.type = take<uint32_t>(bytes.subspan(0, 4));
  header.size = take<uint32_t>(bytes.subspan(4, 4));
  header.id = static_cast<int64_t>(take<uint64_t>(bytes.subspan(8, 8)));
  return header;
}

std::string encode_header(const Header& header) {
  std::string out;
  put(out, header.type);
  put(out, header.size);
  put(out, static_cast<uint64_t>(header.id));
  return out;
}

std::string encode_frame(uint32_t type, int64_t id, std::string_view payload) {
  const Header header{type, static_cast<uint32_t>(kHeaderSize + payload.size()), id};
  std::string frame = encode_header(header);
  frame += payload;
  return frame;
}

}  // namespace gcs::host
