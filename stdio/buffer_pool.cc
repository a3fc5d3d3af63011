#include "stdio/buffer_pool.h"

namespace gcs::stdio {
namespace {

constexpr size_t kSpare = 2;

}  // namespace

BufferPool::Buffer& BufferPool::Buffer::operator=(Buffer&& other) noexcept {
  if (this != &other) {
    give_back();
    pool_ = other.pool_;
    memory_ = std::move(other.memory_);
  }
  return *this;
}

void BufferPool::Buffer::give_back() {
  if (memory_ && pool_->spare_.size() < kSpare) pool_->spare_.push_back(std::move(memory_));
  memory_.reset();
}

BufferPool::Buffer BufferPool::take() {
  if (spare_.empty()) return Buffer(*this, std::unique_ptr<std::byte[]>(new std::byte[kSize]));
  auto memory = std::move(spare_.back());
  spare_.pop_back();
  return Buffer(*this, std::move(memory));
}

}  // namespace gcs::stdio
