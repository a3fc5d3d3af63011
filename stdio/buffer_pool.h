#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "stdio/io/stream.h"

namespace gcs::stdio {

/// Relay buffers of 64 KiB: taken when bytes flow, given back when the stream idles, so that idle relays own none. A
/// few are kept for the next burst, the rest goes back to the kernel. Loop thread only; outlives its buffers.
class BufferPool {
 public:
  static constexpr size_t kSize = 64 * 1024;  // a pipe's default capacity: one read empties it

  class Buffer {
   public:
    Buffer() = default;
    Buffer(BufferPool& pool, std::unique_ptr<std::byte[]> memory) : pool_(&pool), memory_(std::move(memory)) {}
    Buffer(Buffer&&) = default;
    Buffer& operator=(Buffer&& other) noexcept;
    ~Buffer() { give_back(); }

    io::MutableBytes bytes() const { return {memory_.get(), kSize}; }
    explicit operator bool() const { return memory_ != nullptr; }
    void give_back();

   private:
    BufferPool* pool_ = nullptr;
    std::unique_ptr<std::byte[]> memory_;
  };

  Buffer take();

 private:
  std::vector<std::unique_ptr<std::byte[]>> spare_;
};

}  // namespace gcs::stdio
