#pragma once

#include "gcs/guard.h"
#include "runtime/storage/storage.h"
#include "runtime/storage/tracked_mounts.h"

/// The mounts and unmounts of a confined host: what it asks for as the table of its mounts has it, and the work between
/// the table's two halves. Of any other host the work is done as it is.
namespace gcs {

using MountWork = io::Task<Result<>>;

/// The request's mount; `invalid_argument` names a path that is none.
Result<storage::TrackedMount> tracked(const storage::Disk& disk);
Result<storage::TrackedMount> tracked(const storage::Pmem& pmem);
Result<storage::TrackedMount> tracked(const storage::SharedDirectory& directory);
Result<storage::TrackedMount> tracked(const runtime::CombinedLayers& layers);

/// Of an overlay that goes nothing but its root is known.
Result<storage::TrackedMount> tracked_root(const std::string& root_path);

/// How read-only devices are read where a policy is set: as an ext4, through the hash tree behind it, and nothing is
/// written to them. A root digest that the host names has to be the tree's.
void read_through_tree(storage::Disk& disk);
void read_through_tree(storage::Pmem& pmem);

/// Mounts what the table admits. A failure, or the end of the task itself, leaves the table as it was.
MountWork mount_tracked(Guard& guard, storage::TrackedMounts& mounts, Result<storage::TrackedMount> mount,
                        MountWork work);

/// Unmounts what the table lets go. A failure of the work is the end of all mounting (guard.h).
MountWork unmount_tracked(Guard& guard, storage::TrackedMounts& mounts, Result<storage::TrackedMount> mount,
                          MountWork work);

}  // namespace gcs
