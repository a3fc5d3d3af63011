#pragma once

#include <string>

#include "proto/save/migration.pb.h"
#include "stdio/io/task.h"

namespace gcs::migration {

namespace save = hcsshim::controller::migration::save::v1;

/// What a shim knows of the VM whose bridge it holds: pods, containers, their processes and streams. A migration's
/// session tells it when to freeze, to hand over, to go on. Owned by the shim and outlives its sessions.
///
///     source        live ──save──▶ frozen ──resume──▶ live        (rolled back, with the bridge or a new connection)
///                                    └──leave──▶ empty
///     destination   empty ──import──▶ imported ──claims──▶ patched ──resume──▶ live
///                                        └──leave──▶ empty
///
/// While it is frozen or imported, the shim's clients are refused with `wrong_state`.
class Sandbox {
 public:
  virtual ~Sandbox() = default;

  /// Freezes, and gives all that a successor needs. Errors leave it live: `wrong_state` names the container and what
  /// forbids its migration, such as an exec in it.
  virtual Result<save::Payload> save(const std::string& vm_document) = 0;

  /// Builds an inert copy of what another host saved. Errors leave it empty, for another try: `wrong_state` where there
  /// is a VM already, `invalid_argument` for a payload that is of another type or version, truncated, or contradicts
  /// itself; and what keeps a container's streams from being attended here, with its name and the file's.
  virtual io::Task<Result<>> import(std::string sandbox_id, save::Payload payload) = 0;

  /// The VM's document in what was imported.
  virtual std::string vm_document() const = 0;

  /// Imported, and each container has been claimed by a client that will attend its streams.
  virtual bool patched() const = 0;

  /// Source: the VM is about to move, so a bridge that breaks is no loss.
  virtual void set_migrating(bool migrating) = 0;

  /// The VM runs here (again): takes its bridge, unless the old one is still whole, and goes on with every process.
  /// Errors leave it as it was, for another try.
  virtual io::Task<Result<>> resume() = 0;

  /// The VM is elsewhere, or will never come: clients are told that it has gone, and nothing of it is kept.
  virtual io::Task<> leave() = 0;
};

}  // namespace gcs::migration
