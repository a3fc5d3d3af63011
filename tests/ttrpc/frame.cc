#include "tests/ttrpc/frame.h"

#include <algorithm>
#include <utility>

namespace gcs::ttrpc {
namespace {

uint32_t load(const char* from) {
  uint32_t value = 0;
  for (size_t i = 0; i < sizeof value; ++i) value = value << 8 | static_cast<unsigned char>(from[i]);
  return value;
}

void store(std::string& to, uint32_t value) {
  for (int shift = 24; shift >= 0; shift -= 8) to.push_back(static_cast<char>(value >> shift));
}

Header decode_header(const std::array<char, kHeaderSize>& bytes) {
  Header header;
  header.length = load(bytes.data());
  header.stream = load(bytes.data() + 4);
  header.type = static_cast<FrameType>(bytes[8]);
  header.flags = static_cast<uint8_t>(bytes[9]);
  return header;
}

}  // namespace

std::string encode_frame(FrameType type, uint32_t stream, uint8_t flags, std::string_view payload) {
  std::string frame;
  frame.reserve(kHeaderSize + payload.size());
  store(frame, static_cast<uint32_t>(payload.size()));
  store(frame, stream);
  frame.push_back(static_cast<char>(type));
  frame.push_back(static_cast<char>(flags));
  frame += payload;
  return frame;
}

std::optional<Frame> FrameParser::take(std::string_view& bytes) {
  if (header_filled_ < kHeaderSize && !take_header(bytes)) return std::nullopt;
  const size_t n = std::min(missing_, bytes.size());
  if (!frame_.too_long()) frame_.payload.append(bytes.substr(0, n));  // no reserve: the length is only a claim
  bytes.remove_prefix(n);
  missing_ -= n;
  if (missing_ > 0) return std::nullopt;
  header_filled_ = 0;
  return std::exchange(frame_, Frame());
}

bool FrameParser::take_header(std::string_view& bytes) {
  const size_t n = std::min(kHeaderSize - header_filled_, bytes.size());
  std::copy_n(bytes.begin(), n, header_.begin() + static_cast<std::ptrdiff_t>(header_filled_));
  header_filled_ += n;
  bytes.remove_prefix(n);
  if (header_filled_ < kHeaderSize) return false;
  frame_.header = decode_header(header_);
  missing_ = frame_.header.length;
  return true;
}

}  // namespace gcs::ttrpc
