#include "tests/vhost/guest_memory.h"

namespace gcs::vhost {

uint8_t* GuestMemory::at(uint64_t guest, uint64_t size) const {
  for (const Region& region : regions_) {
    const uint64_t offset = guest - region.guest;
    if (guest >= region.guest && offset < region.size && size <= region.size - offset) return region.here + offset;
  }
  return nullptr;
}

void GuestMemory::mark_written(uint64_t guest, uint64_t size) {
  constexpr uint64_t kPage = 4096;
  if (log_ == nullptr || size == 0) return;
  for (uint64_t page = guest / kPage; page <= (guest + size - 1) / kPage; ++page) {
    __atomic_fetch_or(log_ + page / 8, static_cast<uint8_t>(1U << page % 8), __ATOMIC_SEQ_CST);
  }
}

}  // namespace gcs::vhost
