#pragma once

#include <string>

#include "runtime/container.h"

/// A directory of the host's, by 9P over a connection to one of its ports.
namespace gcs::storage {

struct SharedDirectory {
  std::string target;  ///< a clean path; made, with mode 0700, where it is missing
  int port = 0;
  std::string share;  ///< the server's name for it; empty: what it gives by itself
  bool read_only = false;
};

/// mount(2)'s options for a connected descriptor; `invalid_argument` for a share that they cannot hold.
Result<std::string> plan9_options(int fd, const std::string& share);

/// Dials the host until `deadline`, and mounts. A server that does not answer by then has its connection broken, which
/// ends the mount(2) that hangs on it: `timed_out`. `already_exists` where something is mounted. Whatever fails is
/// undone.
///
/// The kernel's mount lives as long as the connection: an outage of the host ends it for good, as upstream's.
io::Task<Result<>> mount_shared(runtime::RuntimeContext& context, io::Offload& offload, SharedDirectory directory,
                                io::Clock::TimePoint deadline);

}  // namespace gcs::storage
