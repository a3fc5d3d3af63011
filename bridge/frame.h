#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stdio/io/result.h"

/// The bridge's framing: a header of 16 bytes, little-endian, then `size - 16` bytes of JSON.
namespace gcs::bridge {

inline constexpr size_t kHeaderSize = 16;
inline constexpr uint32_t kMaxFrameIn = 16u << 20;   ///< ours: a host never needs more, and we never allocate more
inline constexpr uint32_t kMaxFrameOut = 64u << 10;  ///< the host's: one byte more and it closes its bridge
inline constexpr size_t kMaxPayloadOut = kMaxFrameOut - kHeaderSize;

struct Header {
  uint32_t type = 0;
  uint32_t size = kHeaderSize;  ///< the header included
  uint64_t id = 0;

  size_t payload_size() const { return size - kHeaderSize; }
};

/// `malformed` when the size is below the header's or above kMaxFrameIn: the stream has lost its framing, drop it.
Result<Header> decode_header(std::span<const std::byte, kHeaderSize> bytes);

/// One whole frame. The encoders of messages_out.h keep payloads within kMaxPayloadOut.
std::string encode_frame(uint32_t type, uint64_t id, std::string_view payload);

}  // namespace gcs::bridge
