#pragma once

#include <string>
#include <string_view>

namespace gcs::storage {

/// The SHA-256 digest (FIPS 180-4), as 32 bytes. Here for one block of a hash tree; it is not made for speed, and no
/// library is linked for it.
std::string sha256(std::string_view bytes);

}  // namespace gcs::storage
