#include "gcs/core_pattern.h"

#include "stdio/io/fd.h"

namespace gcs {

Result<> set_core_pattern(const std::string& pattern, const std::string& file) {
  if (pattern.empty()) return {};
  const auto written = io::write_file(file, pattern);
  if (!written) return written.error().within("-core-dump-location");
  return {};
}

}  // namespace gcs
