#pragma once

#include <string>
#include <string_view>

namespace gcs::testing {

/// Bytes as hexadecimal digits write them; spaces and line ends between them are skipped.
inline std::string from_hex(std::string_view digits) {
  std::string bytes;
  int high = -1;
  for (const char digit : digits) {
    if (digit == ' ' || digit == '\n') continue;
    const int value = digit <= '9' ? digit - '0' : digit - 'a' + 10;
    if (high < 0) {
      high = value;
    } else {
      bytes.push_back(static_cast<char>(high * 16 + value));
      high = -1;
    }
  }
  return bytes;
}

}  // namespace gcs::testing
