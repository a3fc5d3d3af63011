#pragma once

#include <array>
#include <memory>
#include <optional>
#include <string>

#include "bridge/frame.h"
#include "stdio/io/stream.h"

namespace gcs::bridge {

struct Frame {
  Header header;
  std::string payload;
};

/// Takes frames off a connection. Small frames come several to one receive; a large one's memory grows with the bytes
/// that really arrive, not with the size that its header claims.
class FrameReader {
 public:
  /// The next frame. Errors: `disconnected` at the end of the connection, `malformed` for a size out of range; after
  /// either the connection is of no use.
  io::Task<Result<Frame>> next(io::Stream& conn);

 private:
  io::Task<Result<>> fill(io::Stream& conn, size_t wanted, bool inside);

  static constexpr size_t kBufferSize = 16 * 1024;
  std::unique_ptr<std::byte[]> buffer_ = std::make_unique<std::byte[]>(kBufferSize);
  size_t begin_ = 0;
  size_t end_ = 0;
};

}  // namespace gcs::bridge
