#include "bridge/frame.h"

namespace gcs::bridge {

namespace {

template <class Int>
Int load(const std::byte* from) {
  Int value = 0;
  for (size_t i = 0; i < sizeof(Int); ++i) value |= static_cast<Int>(from[i]) << (8 * i);
  return value;
}

template <class Int>
void store(std::string& to, Int value) {
  for (size_t i = 0; i < sizeof(Int); ++i) to.push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace

Result<Header> decode_header(std::span<const std::byte, kHeaderSize> bytes) {
  Header header;
  header.type = load<uint32_t>(bytes.data());
  header.size = load<uint32_t>(bytes.data() + 4);
  header.id = load<uint64_t>(bytes.data() + 8);
  if (header.size < kHeaderSize || header.size > kMaxFrameIn) {
    return Error(Errc::malformed, "frame size " + std::to_string(header.size) + " is not within " +
                                      std::to_string(kHeaderSize) + " and " + std::to_string(kMaxFrameIn));
  }
  return header;
}

std::string encode_frame(uint32_t type, uint64_t id, std::string_view payload) {
  std::string frame;
  frame.reserve(kHeaderSize + payload.size());
  store(frame, type);
  store(frame, static_cast<uint32_t>(kHeaderSize + payload.size()));
  store(frame, id);
  frame += payload;
  return frame;
}

}  // namespace gcs::bridge
