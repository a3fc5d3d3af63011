#pragma once

#include <string>
#include <vector>

#include "proto/save/migration.pb.h"
#include "stdio/io/result.h"
#include "tests/host/process.h"

namespace gcs::migration {

namespace save = hcsshim::controller::migration::save::v1;

/// One container of a sandbox, and its init process: what its next host must know of them.
struct ContainerRecord {
  std::string id;
  std::vector<std::string> layers;  ///< guest paths, the topmost first
  std::string scratch;              ///< the guest's path of the writable layer; empty: the rootfs is read-only
  std::string rootfs;               ///< the guest's path of the container's root, where its layers are combined
  bool terminal = false;
  host::MigrationState init;
};

/// A whole sandbox. Without pods of their own, containers are saved as pods of one container each.
struct SandboxRecord {
  std::string vm_id;
  std::string vm_document;
  int64_t next_id = 0;     ///< of requests
  uint32_t next_port = 0;  ///< of streams
  std::vector<ContainerRecord> containers;
};

/// As migration.md 9 lays it out.
save::Payload to_payload(const SandboxRecord& record);

/// Errors: `invalid_argument` names the part that is missing, of another type or version, or contradicts another;
/// `malformed` the one that does not parse.
Result<SandboxRecord> from_payload(const save::Payload& payload);

}  // namespace gcs::migration
