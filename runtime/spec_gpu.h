#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "stdio/io/result.h"

namespace gcs::runtime {

/// Where the machine's parts are; others in tests.
struct GpuPaths {
  std::string vmbus = "/sys/bus/vmbus/devices";
  std::string search;  ///< directories for the hook's program, as PATH has them; empty: $PATH
};

/// For a document with windows.devices of the type "gpu": adds the createRuntime hook that gives the container these
/// GPUs, and allows it the character devices that the driver makes while it runs. The hook's program is part of the
/// VM's image, and so are the tools that it runs; one that is missing is `not_found`. Nothing without such a device.
/// Blocking, briefly.
Result<> add_gpus(nlohmann::json& spec, const std::string& bundle_path, const std::string& rootfs,
                  const GpuPaths& paths = {});

/// Hooks run outside of the container, as root of the VM, so the only one that a document may bring is the program
/// above, in a directory of the image's programs; shims send none. Else `unsupported`, which names it.
Result<> check_hooks(const nlohmann::json& spec);

}  // namespace gcs::runtime
