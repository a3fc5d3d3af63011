#pragma once

#include <cstddef>
#include <string_view>

namespace gcs::storage {

/// The number at `offset` of an on-disk structure, which must reach that far.
template <class Int>
Int little_endian(std::string_view bytes, size_t offset) {
  Int value = 0;
  for (size_t i = sizeof(Int); i-- > 0;)
    value = static_cast<Int>(value << 8 | static_cast<unsigned char>(bytes[offset + i]));
  return value;
}

}  // namespace gcs::storage
