#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/storage/system_roots.h"
#include "stdio/io/result.h"

namespace gcs::storage {

/// A block device made of others: one target from its first sector to its last.
struct Mapping {
  std::string name;        ///< at most 127 bytes; also that of its node in /dev/mapper
  std::string type;        ///< "linear", "verity", "crypt", "integrity"
  uint64_t sectors = 0;    ///< of 512 bytes
  std::string parameters;  ///< the target's own, as the kernel documents them
  bool read_only = false;
  bool secret = false;  ///< the parameters hold a key: no copy of them stays, here or in the kernel's buffers
};

/// The kernel's device mapper. Blocking. An interface, for tests have no such kernel at hand.
class DeviceMapper {
 public:
  virtual ~DeviceMapper() = default;

  /// Makes the device and gives its node. `already_exists` for a name in use; a device below that is not there yet, or
  /// held by somebody, is `not_found` or `wrong_state`. Whatever fails is undone.
  virtual Result<std::string> create(const Mapping& mapping) = 0;

  /// Removes the device and its node; one that is not there is success. What still uses it has 100 ms to let go, else
  /// `wrong_state`.
  virtual Result<> remove(const std::string& name) = 0;

  /// The names of all devices; none where the kernel has no device mapper.
  virtual Result<std::vector<std::string>> names() = 0;
};

/// By ioctls on /dev/mapper/control (version 4.0.0). No udev is needed: nodes are made here.
std::unique_ptr<DeviceMapper> make_device_mapper(const SystemRoots& roots);

}  // namespace gcs::storage
