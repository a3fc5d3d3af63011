#pragma once

#include <cstdint>
#include <string>

#include "stdio/io/fd.h"

/// What is on a device, told by its bytes. Blocking: reads two MiB of it at most.
namespace gcs::storage {

struct Found {
  enum class Kind {
    empty,       ///< nothing but zeroes in its first and its last MiB
    filesystem,  ///< one that we mount: `name` is mount(2)'s type
    other,       ///< something; `name` says what, as far as it is known. Never to be formatted
  };
  Kind kind = Kind::other;
  std::string name;
};

/// `not_found` for a device that is gone, another error where it cannot be read.
Result<Found> probe_device(const std::string& node);

/// The same for bytes: the first MiB and the last one; of a smaller device all of it, twice.
Found probe_bytes(std::string_view first, std::string_view last);

/// The size of the ext4 file system on a device, in bytes; `invalid_argument` where there is none.
Result<uint64_t> ext4_size(const io::Fd& device);

}  // namespace gcs::storage
