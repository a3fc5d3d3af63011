#pragma once

#include <cstdint>
#include <string>

#include "stdio/io/fd.h"

/// Block devices as descriptors. Blocking.
namespace gcs::storage {

/// An `Error` from an errno of a device: that it is not there or gone (ENOENT, ENXIO, ENODEV) is `not_found`, whereas
/// on a connection ENODEV means a lost host.
Error device_error(std::string_view doing, int sys_errno = errno);

/// Opens a device; what is none is `invalid_argument`.
Result<io::Fd> open_device(const std::string& node, int flags);

/// Its size in bytes.
Result<uint64_t> device_size(const io::Fd& device);

/// Exactly `size` bytes at `offset`; `invalid_argument` where the device ends before.
Result<std::string> read_at(const io::Fd& device, uint64_t offset, size_t size);

/// Zeroes at most `size` bytes at `offset`, as far as the device goes, and writes them out.
Result<> write_zeroes(const io::Fd& device, uint64_t offset, uint64_t size);

}  // namespace gcs::storage
