// Preloaded into a QEMU on a machine without vhost-vsock: a stand-in for /dev/vhost-vsock that takes every setting and
// moves no data. A guest boots with its vsock device on it, and its saved state goes on where the device is real.
// In C, for the kernel's vring header is no C++.

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/vhost.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/virtio_vsock.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

// Of what Linux 6.1's vhost_vsock offers, for what is negotiated is part of the saved state, and the real one must have it.
// Without VIRTIO_RING_F_EVENT_IDX: a guest that waits for a device to say when it wants to be kicked would not kick the real
// one, for what the agent has sent by now nobody has taken.
static const uint64_t kFeatures = 1ULL << VIRTIO_VSOCK_F_SEQPACKET | 1ULL << VIRTIO_F_NOTIFY_ON_EMPTY |
                                  1ULL << VHOST_F_LOG_ALL | 1ULL << VIRTIO_F_ANY_LAYOUT |
                                  1ULL << VIRTIO_RING_F_INDIRECT_DESC | 1ULL << VIRTIO_F_VERSION_1 |
                                  1ULL << VIRTIO_F_ACCESS_PLATFORM;

static int open_file(const char* path, int flags, mode_t mode) {
  if (strcmp(path, "/dev/vhost-vsock") == 0) path = "/dev/null";
  return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return open_file(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  return open_file(path, flags, mode);
}

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void* argument = va_arg(rest, void*);
  va_end(rest);
  if (_IOC_TYPE(request) != VHOST_VIRTIO) return (int)syscall(SYS_ioctl, fd, request, argument);
  static unsigned bases[8];  // where each queue stands
  struct vhost_vring_state* queue = argument;
  switch (request) {
    case VHOST_GET_FEATURES: *(uint64_t*)argument = kFeatures; break;
    case VHOST_GET_BACKEND_FEATURES: *(uint64_t*)argument = 0; break;
    case VHOST_SET_VRING_BASE: bases[queue->index % 8] = queue->num; break;
    case VHOST_GET_VRING_BASE: queue->num = bases[queue->index % 8]; break;
    default: break;
  }
  return 0;
}
