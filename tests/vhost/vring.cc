#include "tests/vhost/vring.h"

#include <unistd.h>

#include <cstring>

namespace gcs::vhost {

/// As the guest writes it (little-endian, as every machine that this runs on).
struct Descriptor {
  uint64_t address;
  uint32_t size;
  uint16_t flags;
  uint16_t next;
};

namespace {

constexpr uint16_t kNext = 1;
constexpr uint16_t kWrite = 2;
constexpr uint16_t kIndirect = 4;
constexpr uint16_t kNoInterrupt = 1;

struct Available {
  uint16_t flags;
  uint16_t index;
  uint16_t ring[1];  // as many as the queue has
};

struct UsedElement {
  uint32_t head;
  uint32_t written;
};

struct Used {
  uint16_t flags;
  uint16_t index;
  UsedElement ring[1];
};

}  // namespace

void Vring::mark_used(const void* from, uint64_t size) {
  if (!place_.used_log) return;
  const auto offset = static_cast<const uint8_t*>(from) - static_cast<const uint8_t*>(place_.used);
  memory_.mark_written(*place_.used_log + static_cast<uint64_t>(offset), size);
}

bool Vring::is_there() const {
  if (!is_set()) return false;
  const auto* available = static_cast<const Available*>(place_.available);
  return __atomic_load_n(&available->index, __ATOMIC_ACQUIRE) != next_;
}

bool Vring::has_next() {
  if (is_there()) return true;
  ask_for_kick();
  return is_there();
}

bool Vring::add(const Descriptor& descriptor, Chain& chain) const {
  uint8_t* here = memory_.at(descriptor.address, descriptor.size);
  if (here == nullptr) return false;
  auto& pieces = (descriptor.flags & kWrite) != 0 ? chain.writable : chain.readable;
  pieces.push_back({descriptor.address, here, descriptor.size});
  return true;
}

void Vring::ask_for_kick() {
  if (!is_set() || !event_index_) return;
  auto* event = reinterpret_cast<uint16_t*>(static_cast<Used*>(place_.used)->ring + size_);
  __atomic_store_n(event, next_, __ATOMIC_RELEASE);
  mark_used(event, sizeof *event);
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

std::optional<Vring::Chain> Vring::next() {
  if (!has_next()) return std::nullopt;
  const auto* available = static_cast<const Available*>(place_.available);
  Chain chain;
  chain.head = available->ring[next_ % size_];
  ++next_;
  const auto* table = static_cast<const Descriptor*>(place_.descriptors);
  uint32_t entries = size_;
  uint32_t index = chain.head;
  for (uint32_t left = entries; index < entries && left > 0; --left) {
    Descriptor descriptor;
    std::memcpy(&descriptor, table + index, sizeof descriptor);
    if ((descriptor.flags & kIndirect) != 0) {
      const uint8_t* indirect = memory_.at(descriptor.address, descriptor.size);
      if (indirect == nullptr || table != place_.descriptors) break;
      table = reinterpret_cast<const Descriptor*>(indirect);
      entries = descriptor.size / sizeof(Descriptor);
      index = 0;
      left = entries + 1;
      continue;
    }
    if (!add(descriptor, chain) || (descriptor.flags & kNext) == 0) break;
    index = descriptor.next;
  }
  return chain;
}

void Vring::give_back(const Chain& chain, uint32_t written) {
  auto* used = static_cast<Used*>(place_.used);
  const uint16_t index = used->index;
  used->ring[index % size_] = {chain.head, written};
  __atomic_store_n(&used->index, static_cast<uint16_t>(index + 1), __ATOMIC_RELEASE);
  mark_used(&used->ring[index % size_], sizeof(UsedElement));
  mark_used(used, sizeof(Used));
}

bool Vring::wants_interrupt(uint16_t now) const {
  const auto* available = static_cast<const Available*>(place_.available);
  if (!event_index_) return (__atomic_load_n(&available->flags, __ATOMIC_RELAXED) & kNoInterrupt) == 0;
  const uint16_t event = __atomic_load_n(available->ring + size_, __ATOMIC_RELAXED);
  return !told_ || static_cast<uint16_t>(now - event - 1) < static_cast<uint16_t>(now - *told_);
}

void Vring::notify() {
  if (!is_set()) return;
  const uint16_t now = static_cast<const Used*>(place_.used)->index;
  if (told_ == now) return;
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
  const bool wanted = wants_interrupt(now);
  told_ = now;
  const uint64_t one = 1;
  if (wanted && call_ >= 0) (void)!::write(call_, &one, sizeof one);
}

}  // namespace gcs::vhost
