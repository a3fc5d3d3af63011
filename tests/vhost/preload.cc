// Preloaded into QEMU: /dev/vhost-vsock as the kernel would offer it (linux/vhost.h), served by a thread in QEMU
// itself. $GCS_VHOST_UNIX is the path of the host's Unix sockets. One device a process.

#define _LINUX_VIRTIO_RING_H  // no C++; what is needed of it is in vring.cc
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdarg>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "tests/vhost/vsock_device.h"

namespace gcs::vhost {
namespace {

// Of what Linux 6.1's vhost_vsock offers, for what is negotiated is part of a saved state, which may go on on a real
// one.
constexpr unsigned kIndirectDescriptors = 28;
constexpr unsigned kEventIndex = 29;  // QEMU offers it whatever we say
constexpr uint64_t kFeatures = 1ULL << VIRTIO_F_NOTIFY_ON_EMPTY | 1ULL << VHOST_F_LOG_ALL |
                               1ULL << VIRTIO_F_ANY_LAYOUT | 1ULL << kIndirectDescriptors | 1ULL << kEventIndex |
                               1ULL << VIRTIO_F_VERSION_1;
constexpr unsigned kQueues = 2;  // to the guest, from the guest; the third, for events, is QEMU's

class Device {
 public:
  static Device& the() {
    static auto* device = new Device;  // its thread has no end
    return *device;
  }

  int control(unsigned long request, void* argument);

 private:
  Device() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    std::thread([this] { run(); }).detach();
  }

  [[noreturn]] void run();
  void set_features(uint64_t features);
  void set_memory(const vhost_memory& table);
  void set_place(const vhost_vring_addr& address);
  int control_queue(unsigned long request, const vhost_vring_file& queue);
  static void replace(int& slot, int fd) {
    if (slot >= 0) ::close(slot);
    slot = fd < 0 ? -1 : ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  }
  static std::string path() {
    const char* named = std::getenv("GCS_VHOST_UNIX");
    return named != nullptr ? named : "";
  }

  std::mutex mutex_;
  int wake_;
  GuestMemory memory_;
  Vring rings_[kQueues] = {Vring(memory_), Vring(memory_)};
  int kicks_[kQueues] = {-1, -1};
  int calls_[kQueues] = {-1, -1};
  VsockDevice device_{path(), memory_, rings_[0], rings_[1]};
};

void Device::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    std::vector<pollfd> ready = device_.interest();
    const size_t sockets = ready.size();
    for (const int fd : {wake_, kicks_[0], kicks_[1]}) ready.push_back({fd, POLLIN, 0});
    lock.unlock();
    ::poll(ready.data(), ready.size(), -1);
    for (size_t i = sockets; i < ready.size(); ++i) {
      uint64_t count = 0;
      if (ready[i].revents != 0) (void)!::read(ready[i].fd, &count, sizeof count);
    }
    lock.lock();
    ready.resize(sockets);
    device_.serve(ready);
  }
}

void Device::set_memory(const vhost_memory& table) {
  std::vector<GuestMemory::Region> regions;
  for (uint32_t i = 0; i < table.nregions; ++i) {
    const vhost_memory_region& region = table.regions[i];
    regions.push_back({region.guest_phys_addr, region.memory_size, reinterpret_cast<uint8_t*>(region.userspace_addr)});
  }
  memory_.set_regions(std::move(regions));
}

void Device::set_features(uint64_t features) {
  if ((features & 1ULL << VHOST_F_LOG_ALL) == 0) memory_.set_log(nullptr);
  for (Vring& ring : rings_) ring.set_event_index((features & 1ULL << kEventIndex) != 0);
}

void Device::set_place(const vhost_vring_addr& address) {
  Vring::Place place;
  place.descriptors = reinterpret_cast<void*>(address.desc_user_addr);
  place.available = reinterpret_cast<void*>(address.avail_user_addr);
  place.used = reinterpret_cast<void*>(address.used_user_addr);
  if ((address.flags & 1U << VHOST_VRING_F_LOG) != 0) place.used_log = address.log_guest_addr;
  rings_[address.index].set_place(place);
}

int Device::control_queue(unsigned long request, const vhost_vring_file& queue) {
  switch (request) {
    case VHOST_SET_VRING_KICK: replace(kicks_[queue.index], queue.fd); break;
    case VHOST_SET_VRING_CALL:
      replace(calls_[queue.index], queue.fd);
      rings_[queue.index].set_call(calls_[queue.index]);
      break;
    default: break;
  }
  return 0;
}

int Device::control(unsigned long request, void* argument) {
  const std::lock_guard lock(mutex_);
  const uint64_t wake = 1;
  (void)!::write(wake_, &wake, sizeof wake);
  auto* state = static_cast<vhost_vring_state*>(argument);
  switch (request) {
    case VHOST_GET_FEATURES: *static_cast<uint64_t*>(argument) = kFeatures; return 0;
    case VHOST_GET_BACKEND_FEATURES: *static_cast<uint64_t*>(argument) = 0; return 0;
    case VHOST_SET_FEATURES: set_features(*static_cast<uint64_t*>(argument)); return 0;
    case VHOST_SET_LOG_BASE: memory_.set_log(*static_cast<uint8_t**>(argument)); return 0;
    case VHOST_SET_MEM_TABLE: set_memory(*static_cast<vhost_memory*>(argument)); return 0;
    case VHOST_VSOCK_SET_GUEST_CID: device_.set_guest_cid(*static_cast<uint64_t*>(argument)); return 0;
    case VHOST_VSOCK_SET_RUNNING: device_.set_running(*static_cast<int*>(argument) != 0); return 0;
    case VHOST_SET_VRING_NUM:
    case VHOST_SET_VRING_BASE:
    case VHOST_GET_VRING_BASE:
    case VHOST_SET_VRING_ADDR:
    case VHOST_SET_VRING_KICK:
    case VHOST_SET_VRING_CALL: break;
    default: return 0;
  }
  if (state->index >= kQueues) {
    errno = ENOBUFS;
    return -1;
  }
  Vring& ring = rings_[state->index];
  switch (request) {
    case VHOST_SET_VRING_NUM: ring.set_size(static_cast<uint16_t>(state->num)); return 0;
    case VHOST_SET_VRING_BASE: ring.set_base(static_cast<uint16_t>(state->num)); return 0;
    case VHOST_GET_VRING_BASE: state->num = ring.base(); return 0;
    case VHOST_SET_VRING_ADDR: set_place(*static_cast<vhost_vring_addr*>(argument)); return 0;
    default: return control_queue(request, *static_cast<vhost_vring_file*>(argument));
  }
}

int open_file(const char* path, int flags, mode_t mode) {
  if (std::strcmp(path, "/dev/vhost-vsock") == 0) path = "/dev/null";
  return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
}

}  // namespace
}  // namespace gcs::vhost

extern "C" int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = va_arg(rest, mode_t);
  va_end(rest);
  return gcs::vhost::open_file(path, flags, mode);
}

extern "C" int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const auto mode = va_arg(rest, mode_t);
  va_end(rest);
  return gcs::vhost::open_file(path, flags, mode);
}

extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (_IOC_TYPE(request) == VHOST_VIRTIO) return gcs::vhost::Device::the().control(request, argument);
  return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}
