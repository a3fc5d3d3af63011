#include "gcs/confined_mounts.h"

#include <utility>

#include "runtime/safe_path.h"

namespace gcs {
namespace {

using storage::MountKind;
using storage::TrackedMount;
using storage::TrackedMounts;

Result<TrackedMount> tracked_at(MountKind kind, const char* field, const std::string& path, std::string source) {
  auto clean = runtime::clean_path(field, path);
  if (!clean) return clean.error();
  TrackedMount mount;
  mount.kind = kind;
  mount.path = std::move(*clean);
  mount.source = std::move(source);
  return mount;
}

MountKind kind_of(const storage::Disk& disk) {
  if (disk.block_device) return MountKind::block_device;
  return disk.read_only ? MountKind::read_only_device : MountKind::writable_device;
}

storage::VeritySettings verity_of_device(const std::optional<storage::VeritySettings>& named) {
  storage::VeritySettings settings;
  settings.superblock = true;
  settings.root_of_device = true;
  if (named) settings.root_digest = named->root_digest;
  return settings;
}

/// The second half of a step: reported as failed unless it is done, also where the request's task is cancelled.
class Step {
 public:
  using End = void (TrackedMounts::*)(const std::string&, bool);

  Step(TrackedMounts& mounts, End end, std::string path) : mounts_(mounts), end_(end), path_(std::move(path)) {}
  Step(const Step&) = delete;
  Step& operator=(const Step&) = delete;
  ~Step() { (mounts_.*end_)(path_, done_); }

  void done() { done_ = true; }

 private:
  TrackedMounts& mounts_;
  End end_;
  std::string path_;
  bool done_ = false;
};

}  // namespace

Result<TrackedMount> tracked(const storage::Disk& disk) {
  auto mount = tracked_at(kind_of(disk), "MountPath", disk.target, "the disk at " + to_string(disk.address));
  // Hosts forget to say of a removal that the disk was encrypted, so that is no part of what they have to name.
  if (mount) mount->encrypted = disk.encrypted;
  return mount;
}

Result<TrackedMount> tracked(const storage::Pmem& pmem) {
  return tracked_at(MountKind::read_only_device, "MountPath", pmem.target,
                    "memory device " + std::to_string(pmem.device));
}

Result<TrackedMount> tracked(const storage::SharedDirectory& directory) {
  return tracked_at(MountKind::directory, "MountPath", directory.target, "");
}

Result<TrackedMount> tracked(const runtime::CombinedLayers& layers) {
  auto clean = runtime::clean_layers(layers);
  if (!clean) return clean.error();
  TrackedMount mount;
  mount.kind = MountKind::overlay;
  mount.path = clean->root_path;
  if (runtime::moves_bundle(*clean)) mount.bundle = runtime::parent_of(clean->root_path);
  mount.layers = std::move(clean->layer_paths);
  mount.scratch = std::move(clean->scratch_path);
  return mount;
}

Result<TrackedMount> tracked_root(const std::string& root_path) {
  return tracked_at(MountKind::overlay, "ContainerRootPath", root_path, "");
}

void read_through_tree(storage::Disk& disk) {
  if (!disk.read_only) return;
  disk.filesystem = "ext4";
  disk.ensure_filesystem = false;
  disk.verity = verity_of_device(disk.verity);
}

void read_through_tree(storage::Pmem& pmem) {
  pmem.verity = verity_of_device(pmem.verity);
}

MountWork mount_tracked(Guard& guard, TrackedMounts& mounts, Result<TrackedMount> mount, MountWork work) {
  if (!guard.confines()) co_return co_await std::move(work);
  if (!mount) co_return mount.error();
  const std::string path = mount->path;
  const auto begun = mounts.begin_add(std::move(*mount));
  if (!begun) co_return begun;
  Step step(mounts, &TrackedMounts::end_add, path);
  auto done = co_await std::move(work);
  if (done) step.done();
  co_return done;
}

MountWork unmount_tracked(Guard& guard, TrackedMounts& mounts, Result<TrackedMount> mount, MountWork work) {
  if (!guard.confines()) co_return co_await std::move(work);
  if (!mount) co_return mount.error();
  const auto begun = mounts.begin_remove(mount->kind, mount->path, mount->source);
  if (!begun) co_return begun;
  Step step(mounts, &TrackedMounts::end_remove, mount->path);
  auto done = co_await std::move(work);
  if (done) step.done();
  const bool begun_at_all = done || done.error().code() != Errc::exhausted;
  if (!done && begun_at_all) guard.unmount_failed(done.error());
  co_return done;
}

}  // namespace gcs
