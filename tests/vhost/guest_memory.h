#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace gcs::vhost {

/// The guest's physical memory, as VHOST_SET_MEM_TABLE gives it, and the log of pages written (VHOST_SET_LOG_BASE).
class GuestMemory {
 public:
  struct Region {
    uint64_t guest = 0;  ///< physical address
    uint64_t size = 0;
    uint8_t* here = nullptr;
  };

  void set_regions(std::vector<Region> regions) { regions_ = std::move(regions); }

  /// One bit a page of 4 KiB; null: writes are not logged.
  void set_log(uint8_t* log) { log_ = log; }

  /// Where `size` bytes from `guest` on are; null unless they lie in one region.
  uint8_t* at(uint64_t guest, uint64_t size) const;

  void mark_written(uint64_t guest, uint64_t size);

 private:
  std::vector<Region> regions_;
  uint8_t* log_ = nullptr;
};

}  // namespace gcs::vhost
