#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "stdio/io/result.h"

namespace gcs {

/// The names in an order file: one a line; `#` begins a comment.
std::vector<std::string> module_names(std::string_view order);

/// Loads `<directory>/<name>` for each name in `<directory>/order`; what fails is logged and left out. Gives how many
/// are loaded, those that were before included. An image without an order file has no modules: `not_found`.
Result<int> load_modules(const std::string& directory);

}  // namespace gcs
