#include "stdio/tail.h"

#include <algorithm>

namespace gcs::stdio {

io::MutableBytes Tail::room() {
  if (!memory_) memory_.reset(new std::byte[kCapacity]);
  if (begin_ == end_) begin_ = sent_ = end_ = 0;  // short lines then touch the first page only
  if (kept() > kBound) begin_ = sent_ - kBound;
  const size_t at = end_ % kCapacity;
  return {memory_.get() + at, std::min(kCapacity - (end_ - begin_), kCapacity - at)};
}

void Tail::filled(size_t size) {
  end_ += size;
}

io::Bytes Tail::unsent() const {
  const size_t at = sent_ % kCapacity;
  return {memory_.get() + at, std::min(end_ - sent_, kCapacity - at)};
}

void Tail::sent(size_t size) {
  sent_ += size;
}

void Tail::confirmed() {
  begin_ = sent_;
}

void Tail::reconnected() {
  if (kept() > kBound) begin_ = sent_ - kBound;
  sent_ = begin_;
}

void Tail::release() {
  if (begin_ == end_) memory_.reset();
}

}  // namespace gcs::stdio
