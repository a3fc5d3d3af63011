#pragma once

#include <functional>
#include <string>

#include "runtime/container.h"
#include "runtime/storage/claim.h"

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

/// Mounts what is at the other end of a connected descriptor; undoes what it did when it fails. Blocking.
Result<> mount_connection(int fd, const SharedDirectory& directory);

struct Plan9Mount {
  Plan9Mount(SharedDirectory what, io::Clock::TimePoint when, ClaimPtr names)
      : directory(std::move(what)), deadline(when), claim(std::move(names)) {}

  SharedDirectory directory;
  io::Clock::TimePoint deadline;
  ClaimPtr claim;  ///< kept by a mount that is given up
  std::function<Result<>(int fd, const SharedDirectory&)> mount = mount_connection;
};

/// Dials the host until the deadline, and mounts. A server that does not answer by then has its connection broken,
/// which ends the mount(2) that hangs on it: `timed_out`. `already_exists` where something is mounted. Whatever fails
/// is undone, and so is a mount whose connection was broken just when it had been made.
///
/// The kernel's mount lives as long as the connection: an outage of the host ends it for good, as upstream's.
io::Task<Result<>> mount_shared(runtime::RuntimeContext& context, io::Offload& offload, Plan9Mount order);

}  // namespace gcs::storage
