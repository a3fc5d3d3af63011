#include "bridge/frame_reader.h"

#include <algorithm>
#include <cstring>

namespace gcs::bridge {

/// Until the buffer holds `wanted` bytes, at most its size. An end before that keeps its errno: it tells a reset.
io::Task<Result<>> FrameReader::fill(io::Stream& conn, size_t wanted, bool inside) {
  if (begin_ > 0 && begin_ + wanted > kBufferSize) {
    std::memmove(buffer_.get(), buffer_.get() + begin_, end_ - begin_);
    end_ -= begin_;
    begin_ = 0;
  }
  while (end_ - begin_ < wanted) {
    const auto n = co_await conn.read_some(io::MutableBytes(buffer_.get() + end_, kBufferSize - end_));
    if (!n) co_return n.error();
    if (*n == 0) {
      inside = inside || end_ > begin_;
      const char* how = inside ? "the connection ended inside a frame" : "the host closed the connection";
      co_return Error(Errc::disconnected, how);
    }
    end_ += *n;
  }
  co_return Result<>();
}

io::Task<Result<Frame>> FrameReader::next(io::Stream& conn) {
  const auto header_there = co_await fill(conn, kHeaderSize, false);
  if (!header_there) co_return header_there.error();
  const auto header = decode_header(std::span<const std::byte, kHeaderSize>(buffer_.get() + begin_, kHeaderSize));
  if (!header) co_return header.error();
  begin_ += kHeaderSize;

  Frame frame;
  frame.header = *header;
  size_t missing = header->payload_size();
  while (missing > 0) {
    if (begin_ == end_) {
      const auto some_there = co_await fill(conn, 1, true);
      if (!some_there) co_return some_there.error();
    }
    const size_t n = std::min(missing, end_ - begin_);
    frame.payload.append(reinterpret_cast<const char*>(buffer_.get() + begin_), n);
    begin_ += n;
    missing -= n;
  }
  if (begin_ == end_) begin_ = end_ = 0;
  co_return frame;
}

}  // namespace gcs::bridge
