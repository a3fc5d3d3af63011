#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

/// ttrpc's framing (migration.md 11.1): a header of 10 bytes, big-endian, then `length` bytes. A stream is one call:
/// the client opens it with a request frame and an odd id that is larger than all before.
namespace gcs::ttrpc {

inline constexpr size_t kHeaderSize = 10;
inline constexpr size_t kMaxPayload = 4u << 20;  ///< both ways

enum class FrameType : uint8_t { request = 1, response = 2, data = 3 };  // others are for versions to come

// Flags of request and data frames; a response has none.
inline constexpr uint8_t kRemoteClosed = 1;  ///< the sender sends nothing more on this stream
inline constexpr uint8_t kRemoteOpen = 2;    ///< data frames follow the request
inline constexpr uint8_t kNoData = 4;        ///< tells a frame without a message from an empty message

struct Header {
  uint32_t length = 0;  ///< of the payload
  uint32_t stream = 0;
  FrameType type = FrameType::request;
  uint8_t flags = 0;
};

struct Frame {
  Header header;
  std::string payload;

  /// The payload was longer than kMaxPayload: it was discarded, and `header.length` is what it claimed.
  bool too_long() const { return header.length > kMaxPayload; }
};

/// One whole frame. The caller has looked at the payload's length: see check_length() of status.h.
std::string encode_frame(FrameType type, uint32_t stream, uint8_t flags, std::string_view payload);

/// Takes frames out of bytes as they come, in pieces of any size. Holds what has come of one frame and no more,
/// whatever length it claims. No bytes are wrong: a stream that lost its framing shows in what the frames say.
class FrameParser {
 public:
  /// Takes from the front of `bytes` what belongs to the next frame, and gives that frame once it is whole. To be
  /// called until it gives none: then nothing is left of `bytes`.
  std::optional<Frame> take(std::string_view& bytes);

  /// Between two frames: a stream that ends here ends in order.
  bool at_boundary() const { return header_filled_ == 0; }

  /// The memory that the frame at hand has taken.
  size_t held() const { return frame_.payload.capacity(); }

 private:
  bool take_header(std::string_view& bytes);

  std::array<char, kHeaderSize> header_{};
  size_t header_filled_ = 0;
  size_t missing_ = 0;  // of the payload
  Frame frame_;
};

}  // namespace gcs::ttrpc
