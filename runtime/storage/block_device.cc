#include "runtime/storage/block_device.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

namespace gcs::storage {

Error device_error(std::string_view doing, int sys_errno) {
  const Error error = sys_error(doing, sys_errno);
  if (sys_errno != ENODEV) return error;
  return Error(Errc::not_found, error.message(), sys_errno);
}

Result<io::Fd> open_device(const std::string& node, int flags) {
  io::Fd device(::open(node.c_str(), flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!device) return device_error("open " + node);
  struct stat status {};
  if (::fstat(device.get(), &status) != 0) return device_error("look at " + node);
  if (!S_ISBLK(status.st_mode)) return Error(Errc::invalid_argument, node + " is no block device");
  return device;
}

Result<uint64_t> device_size(const io::Fd& device) {
  const off_t end = ::lseek(device.get(), 0, SEEK_END);
  if (end < 0) return device_error("find the device's size");
  return static_cast<uint64_t>(end);
}

Result<std::string> read_at(const io::Fd& device, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  for (size_t have = 0; have < size;) {
    const ssize_t n = ::pread(device.get(), bytes.data() + have, size - have, static_cast<off_t>(offset + have));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return device_error("read the device");
    if (n == 0) return Error(Errc::invalid_argument, "the device ends at " + std::to_string(offset + have) + " bytes");
    have += static_cast<size_t>(n);
  }
  return bytes;
}

Result<> write_zeroes(const io::Fd& device, uint64_t offset, uint64_t size) {
  const auto end = device_size(device);
  if (!end) return end.error();
  const std::string zeroes(64 * 1024, '\0');
  for (const uint64_t stop = std::min(*end, offset + size); offset < stop;) {
    const size_t part = std::min<uint64_t>(zeroes.size(), stop - offset);
    const ssize_t n = ::pwrite(device.get(), zeroes.data(), part, static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return device_error("write the device");
    offset += static_cast<uint64_t>(n);
  }
  if (::fsync(device.get()) != 0) return device_error("write the device");
  return {};
}

}  // namespace gcs::storage
