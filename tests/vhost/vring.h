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
  void set_place(const Place& place) {
    place_ = place;
    told_ = std::nullopt;
  }

  /// The index of the next chain that the device has not seen: what a VM takes along when it moves.
  void set_base(uint16_t base) {
    next_ = base;
    told_ = std::nullopt;
  }
  uint16_t base() const { return next_; }

  /// VIRTIO_RING_F_EVENT_IDX: each side says from where on it wants to be told, instead of whether.
  void set_event_index(bool used) { event_index_ = used; }

  /// Written to when the guest wants to know of used chains; -1: never. The caller's.
  void set_call(int fd) { call_ = fd; }

  /// Whether there is a chain; where there is none, the guest kicks with the next.
  bool has_next();
  std::optional<Chain> next();

  /// Undoes the last next(): the chain is the next one again.
  void put_back() { --next_; }

  /// Gives the chain back with so many bytes written.
  void give_back(const Chain& chain, uint32_t written);

  /// Interrupts the guest, if it wants that and anything was given back.
  void notify();

 private:
  bool is_set() const { return size_ != 0 && place_.used != nullptr; }
  void ask_for_kick();
  bool is_there() const;
  bool wants_interrupt(uint16_t now) const;
  void mark_used(const void* from, uint64_t size);
  bool add(const struct Descriptor& descriptor, Chain& chain) const;

  GuestMemory& memory_;
  Place place_;
  uint16_t size_ = 0;
  uint16_t next_ = 0;
  int call_ = -1;
  bool event_index_ = false;
  std::optional<uint16_t> told_;  // the used index that the guest was last told of
};

}  // namespace gcs::vhost
