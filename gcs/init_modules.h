#pragma once

#include <chrono>
#include <functional>
#include <string>
#include <string_view>

#include "gcs/init_module_files.h"
#include "stdio/io/result.h"

namespace gcs {

/// Loads the module in a file; that it was loaded before is fine. A compressed one is the kernel's to unpack: where it
/// cannot, that is said and nothing done.
Result<> load_module(const std::string& file, const std::string& parameters);

using ModuleLoader = std::function<Result<>(const std::string& file, const std::string& parameters)>;

struct ModuleCount {
  int loaded = 0;    ///< those that were before included
  int failed = 0;    ///< logged, the first of them one by one
  int left_out = 0;  ///< blacklisted, or past the limit
};

/// Loads `<directory>/<name>` for each name in `<directory>/order`. An image without an order file: `not_found`.
Result<ModuleCount> load_ordered_modules(const std::string& directory, const ModuleSettings& settings,
                                         const ModuleLoader& load = load_module);

/// Loads what an image for the Go image's PID 1 has, in `/lib/modules/RELEASE`: first, by their names, those that the
/// host counts on, then whatever else there is, each after what modules.dep says it needs. A module that has no device
/// fails, and there may be many of those. Once the limit is over no further one is begun.
ModuleCount load_module_tree(const std::string& tree, const ModuleSettings& settings,
                             std::chrono::milliseconds limit = std::chrono::minutes(1),
                             const ModuleLoader& load = load_module);

/// The modules of the image, in whichever way it has them, and a line that says so. Gives how many are loaded.
int load_image_modules(std::string_view kernel_line);

}  // namespace gcs
