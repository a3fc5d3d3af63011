// Preloaded into QEMU: /dev/vhost-vsock as the kernel would offer it (linux/vhost.h), served by a thread in QEMU
// itself. $GCS_VHOST_UNIX is the path of the host's Unix sockets. One device a process.

#define _LINUX_VIRTIO_RING_H  // no C++; what is needed of it is in vring.cc
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
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

constexpr unsigned kIndirectDescriptors = 28;
constexpr unsigned kEventIndex = 29;  // QEMU offers it whatever we say
constexpr uint64_t kFeatures = 1ULL << VHOST_F_LOG_ALL | 1ULL << VIRTIO_F_ANY_LAYOUT | 1ULL << kIndirectDescriptors |
                               1ULL << kEventIndex | 1ULL << VIRTIO_F_VERSION_1;
constexpr unsigned kQueues = 2;  // to the guest, from the guest; the third, for events, is QEMU's

class Device {
 public:
  static Device& the() {
    static auto* device = new Device;  // its thread has no end
    return *device;
  }

  int control(unsigned long request, void* argument);

 private:
  Device() {
    for (unsigned i = 0; i < kQueues; ++i) rings_[i].set_call(calls_[i]);
    // QEMU's signals are for QEMU's threads.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    std::thread([this] { run(); }).detach();
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  }

  [[noreturn]] void run();
  void set_features(uint64_t features);
  void set_memory(const vhost_memory& table);
  void set_place(const vhost_vring_addr& address);
  int control_queue(unsigned long request, const vhost_vring_file& queue);
  static int quiet() { return ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }
  /// Under the number that the thread polls, which must never become another's.
  void replace(int slot, int fd) { ::dup3(fd < 0 ? quiet_ : fd, slot, O_CLOEXEC); }
  static std::string path() {
    const char* named = std::getenv("GCS_VHOST_UNIX");
    return named != nullptr ? named : "";
  }

  std::mutex mutex_;
  const int wake_ = quiet();
  const int quiet_ = quiet();
  GuestMemory memory_;
  Vring rings_[kQueues] = {Vring(memory_), Vring(memory_)};
  const int kicks_[kQueues] = {quiet(), quiet()};
  const int calls_[kQueues] = {quiet(), quiet()};
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
    lock.lock();
    for (size_t i = sockets; i < ready.size(); ++i) {
      uint64_t count = 0;
      if (ready[i].revents != 0) (void)!::read(ready[i].fd, &count, sizeof count);
    }
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
    case VHOST_SET_VRING_CALL: replace(calls_[queue.index], queue.fd); break;
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
    case VHOST_SET_OWNER:
    case VHOST_RESET_OWNER:
    case VHOST_SET_BACKEND_FEATURES:
    case VHOST_SET_LOG_FD:
    case VHOST_SET_VRING_ERR: return 0;
    default: errno = ENOTTY; return -1;
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

std::atomic<int> device_fd = -1;

int open_file(const char* path, int flags, mode_t mode) {
  const bool ours = std::strcmp(path, "/dev/vhost-vsock") == 0;
  const auto fd = static_cast<int>(::syscall(SYS_openat, AT_FDCWD, ours ? "/dev/null" : path, flags, mode));
  if (ours) device_fd = fd;
  return fd;
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

// The same on a machine of 64 bits.
extern "C" int open64(const char* path, int flags, ...) __attribute__((alias("open")));

extern "C" int ioctl(int fd, unsigned long request, ...) noexcept {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (fd == gcs::vhost::device_fd && _IOC_TYPE(request) == VHOST_VIRTIO)
    return gcs::vhost::Device::the().control(request, argument);
  return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}
