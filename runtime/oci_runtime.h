#pragma once

#include <string>
#include <vector>

#include "runtime/reaper.h"

namespace gcs::runtime {

/// The stdio that a container process is started with: three descriptors (-1 is /dev/null), or a terminal.
struct ContainerStdio {
  int in = -1;
  int out = -1;
  int err = -1;
  bool terminal = false;
};

/// A container process as the runtime left it to us.
struct StartedProcess {
  ChildPtr child;
  io::Fd terminal;  ///< the pty's master, when one was asked for
};

/// What we ask of an OCI runtime. Every call is bounded in time and kills a runtime that hangs; texts become codes as
/// oci_error says.
class OciRuntime {
 public:
  virtual ~OciRuntime() = default;

  /// Creates the container from `bundle`; its init process waits for start().
  virtual io::Task<Result<StartedProcess>> create(std::string id, std::string bundle, ContainerStdio stdio) = 0;
  virtual io::Task<Result<>> start(std::string id) = 0;

  /// Runs `process`, an OCI process object as JSON text, in the container.
  virtual io::Task<Result<StartedProcess>> exec(std::string id, std::string process, ContainerStdio stdio) = 0;
  virtual io::Task<Result<>> kill(std::string id, int signal, bool all) = 0;

  /// Removes what the runtime keeps of the container; with `force` also of a running one, which it kills.
  virtual io::Task<Result<>> remove(std::string id, bool force) = 0;

  /// Applies OCI linux.resources, as JSON text.
  virtual io::Task<Result<>> update(std::string id, std::string resources) = 0;
};

}  // namespace gcs::runtime
