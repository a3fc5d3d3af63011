#include "bridge/frame.h"

#include <doctest/doctest.h>

#include <array>
#include <cstdint>
#include <string>

#include "bridge/message_type.h"

using namespace gcs;
using namespace gcs::bridge;

namespace {

Result<Header> decode(const std::string& bytes) {
  REQUIRE(bytes.size() >= kHeaderSize);
  return decode_header(
      std::span<const std::byte, kHeaderSize>(reinterpret_cast<const std::byte*>(bytes.data()), kHeaderSize));
}

std::string header_with_size(uint32_t size) {
  std::string frame = encode_frame(0x10100101, 7, "");
  for (int i = 0; i < 4; ++i) frame[4 + i] = static_cast<char>(size >> (8 * i));
  return frame;
}

}  // namespace

TEST_CASE("frame: the header is little-endian: type, size with the header, id") {
  const std::string frame = encode_frame(0x20100b01, 0x0102030405060708, "{}");
  CHECK(frame == std::string("\x01\x0b\x10\x20\x12\x00\x00\x00\x08\x07\x06\x05\x04\x03\x02\x01{}", 18));
}

TEST_CASE("frame: what was encoded decodes to the same header") {
  for (const uint64_t id : {uint64_t{0}, uint64_t{1} << 40, ~uint64_t{0}}) {
    const auto header = decode(encode_frame(0x10100501, id, std::string(1000, 'x')));
    REQUIRE(header);
    CHECK(header->type == 0x10100501);
    CHECK(header->id == id);
    CHECK(header->size == 1016);
    CHECK(header->payload_size() == 1000);
  }
}

TEST_CASE("frame: a size below the header's or above the limit ends the connection") {
  for (const uint32_t size : {0u, 1u, 15u, kMaxFrameIn + 1, 1u << 30, 0xffffffffu}) {
    CAPTURE(size);
    const auto header = decode(header_with_size(size));
    REQUIRE_FALSE(header);
    CHECK(header.error().code() == Errc::malformed);
    CHECK(header.error().message().find(std::to_string(size)) != std::string::npos);
  }
}

TEST_CASE("frame: the smallest and the largest size are accepted") {
  CHECK(decode(header_with_size(16)));
  CHECK(decode(header_with_size(kMaxFrameIn)));
}

TEST_CASE("message type: an answer's type is the request's with another kind") {
  CHECK(response_type(MessageType::create) == 0x20100101);
  CHECK(response_type(MessageType::modify_service_settings) == 0x20200101);
  CHECK(response_type(0x1fffff01) == 0x2fffff01);
  CHECK(response_type(0x30100101) == 0x20100101);
}

TEST_CASE("message type: the thirteen requests of a Linux guest are served, nothing else is") {
  for (uint32_t number = 0; number < 0x100; ++number) {
    const uint32_t type = 0x10100001 | number << 8;
    CAPTURE(type);
    CHECK(served_request(type).has_value() == (number >= 1 && number <= 13));
    CHECK_FALSE(served_request(type + 1));
    CHECK_FALSE(served_request(response_type(type)));
  }
  CHECK_FALSE(served_request(0x10200101));
  CHECK_FALSE(served_request(0x30100101));
  CHECK_FALSE(served_request(0));
}

TEST_CASE("message type: names are those that hosts know, and digits where hosts have none") {
  CHECK(name_of(MessageType::create) == "ComputeSystemCreateV1");
  CHECK(name_of(MessageType::dump_stacks) == "ComputeSystemDumpStacksV1");
  CHECK(name_of(MessageType::delete_container_state) == "ComputeSystemDeleteContainerStateV1");
  CHECK(name_of(MessageType::update_container) == "269487617");
  CHECK(name_of(MessageType::modify_service_settings) == "270532865");
  CHECK(name_of(0x1fffff01) == "536870657");
  CHECK(name_of(0x20100101) == "ComputeSystemResponseCreateV1");
  CHECK(name_of(MessageType::notification) == "ComputeSystemNotificationV1");
}

TEST_CASE("message type: the kind is in the upper four bits") {
  CHECK(kind_of(0x10100101) == MessageKind::request);
  CHECK(kind_of(0x2fffffff) == MessageKind::response);
  CHECK(kind_of(0x30100101) == MessageKind::notification);
  CHECK(kind_of(0) == MessageKind::unknown);
  CHECK(kind_of(0xf0100101) == MessageKind::unknown);
}
