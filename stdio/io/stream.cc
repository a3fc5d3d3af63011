#include "stdio/io/stream.h"

namespace gcs::io {

Task<Result<>> write_all(Stream& stream, Bytes data) {
  while (!data.empty()) {
    const auto n = co_await stream.write_some(data);
    if (!n) co_return n.error();
    data = data.subspan(*n);
  }
  co_return Result<>();
}

Task<Result<size_t>> read_full(Stream& stream, MutableBytes buffer) {
  size_t filled = 0;
  while (filled < buffer.size()) {
    const auto n = co_await stream.read_some(buffer.subspan(filled));
    if (!n) co_return n.error();
    if (*n == 0) break;
    filled += *n;
  }
  co_return filled;
}

}  // namespace gcs::io
