#pragma once

#include <memory>

#include "runtime/oci_runtime.h"
#include "stdio/io/offload.h"

namespace gcs::runtime {

struct OciCliSettings {
  std::string binary;                               ///< absolute path, or a name for PATH
  std::string scratch_dir = "/run/gcs/oci";         ///< pid files, logs, console sockets live here: a tmpfs
  std::chrono::milliseconds time_limit{60 * 1000};  ///< for one invocation
};

/// Drives `crun` or `runc` by its command line, which the two share. From its first use on a small one is executed from
/// memory (sealed_program.h).
std::unique_ptr<OciRuntime> make_oci_cli(Reaper& reaper, io::Engine& engine, io::Clock& clock, io::Offload& offload,
                                         OciCliSettings settings);

/// The first of crun and runc on PATH; empty when there is none.
std::string find_oci_runtime();

}  // namespace gcs::runtime
