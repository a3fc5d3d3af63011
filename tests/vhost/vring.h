#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "tests/vhost/guest_memory.h"

namespace gcs::vhost {

/// The device's side of a split virtqueue (virtio 1.2, 2.7). The guest may write nonsense there: a chain that leads out
/// of the queue or the memory ends it.
class Vring {
 public:
  /// A piece of the guest's memory that a descriptor names.
  struct Piece {
    uint64_t guest;
    uint8_t* here;
    uint32_t size;
  };
  struct Chain {
    uint16_t head;
    std::vector<Piece> readable;  ///< by the device, in their order
    std::vector<Piece> writable;
  };
  /// Its parts, in this process's memory; `used_log` is where a log of written pages has the used ring.
  struct Place {
    void* descriptors = nullptr;
    void* available = nullptr;
    void* used = nullptr;
    std::optional<uint64_t> used_log;
  };

  explicit Vring(GuestMemory& memory) : memory_(memory) {}

  void set_size(uint16_t size) { size_ = size; }
  void set_place(const Place& place) { place_ = place; }

  /// The index of the next chain that the device has not seen: what a VM takes along when it moves.
  void set_base(uint16_t base) { next_ = base; }
  uint16_t base() const { return next_; }

  /// VIRTIO_RING_F_EVENT_IDX: each side says from where on it wants to be told, instead of whether.
  void set_event_index(bool used) { event_index_ = used; }

  /// Written to when the guest wants to know of used chains; -1: never. The caller's.
  void set_call(int fd) { call_ = fd; }

  bool has_next() const;

  /// Nothing where there is none; the guest then kicks at the next.
  std::optional<Chain> next();

  /// Gives the chain back with so many bytes written.
  void give_back(const Chain& chain, uint32_t written);

  /// Interrupts the guest, if it wants that and anything was given back.
  void notify();

 private:
  bool is_set() const { return size_ != 0 && place_.used != nullptr; }
  void ask_for_kick();
  bool wants_interrupt() const;
  void mark_used(const void* from, uint64_t size);
  bool add(const struct Descriptor& descriptor, Chain& chain) const;

  GuestMemory& memory_;
  Place place_;
  uint16_t size_ = 0;
  uint16_t next_ = 0;
  int call_ = -1;
  bool event_index_ = false;
  uint16_t told_ = 0;  // the used index that the guest was last told of
};

}  // namespace gcs::vhost
