#include "runtime/storage/disk.h"

#include <utility>

#include "runtime/safe_path.h"
#include "runtime/storage/crypt.h"
#include "runtime/storage/device_mount.h"
#include "runtime/storage/filesystem_probe.h"
#include "runtime/storage/mapping_names.h"

namespace gcs::storage {
namespace {

constexpr size_t kMaxOptions = 64;  // there are some 30 words for them

Error refused(const char* field, const char* why) {
  return Error(Errc::invalid_argument, std::string(field) + ": " + why);
}

DeviceMount mount_of(const Disk& disk, const std::string& node) {
  DeviceMount mount;
  mount.node = node;
  mount.target = disk.target;
  mount.filesystem = disk.filesystem;
  mount.read_only = disk.read_only;
  mount.options = parse_mount_options(disk.options);
  return mount;
}

}  // namespace

Result<Disk> checked(Disk disk) {
  auto target = runtime::clean_path("MountPath", disk.target);
  if (!target) return target.error();
  disk.target = std::move(*target);
  if (disk.target == "/") return refused("MountPath", "is the root directory");
  if (disk.options.size() > kMaxOptions) return refused("Options", "more than 64");
  if (!disk.filesystem.empty() && !is_filesystem(disk.filesystem)) return refused("Filesystem", "is not known here");
  const bool can_be_made = disk.filesystem == "ext4" || disk.filesystem == "xfs";
  if ((disk.encrypted || disk.ensure_filesystem) && !disk.filesystem.empty() && !can_be_made) {
    return refused("Filesystem", "only ext4 and xfs can be made");
  }
  if (disk.encrypted && disk.filesystem.empty()) return refused("Filesystem", "is to be named for an encrypted disk");
  if (disk.encrypted && disk.read_only)
    return refused("Encrypted", "a disk that is encrypted anew has nothing to read");
  if (disk.block_device && disk.encrypted) return refused("BlockDev", "such a disk is given as it is");
  if (disk.verity && !disk.read_only) return refused("VerityInfo", "the disk is not read-only");
  return disk;
}

DiskWork::DiskWork(SystemRoots roots, std::shared_ptr<DeviceMapper> mapper, Disk disk)
    : roots_(std::move(roots)), mapper_(std::move(mapper)), disk_(std::move(disk)) {}

Result<bool> DiskWork::look() {
  auto found = find_scsi_device(roots_, disk_.address);
  if (!found) return found.error();
  if (!*found) return false;
  device_ = std::move(**found);
  node_ = device_.node;
  return true;
}

Result<std::string> DiskWork::prepare() {
  if (disk_.encrypted) {
    const std::string part = scsi_part(device_.host, disk_.address);
    const auto node = encrypt_device(*mapper_, device_.node, crypt_name(part), integrity_name(part));
    if (!node) return node.error().within("encrypt " + device_.node);
    node_ = *node;
    return node;
  }
  if (disk_.ensure_filesystem && !disk_.block_device) return ensure_filesystem();
  return std::string();
}

/// Only what is empty gets a file system. A disk that is slow to answer, damaged, or somebody else's keeps what it has.
Result<std::string> DiskWork::ensure_filesystem() {
  const auto found = probe_device(node_);
  if (!found) return found.error();
  const std::string& wanted = disk_.filesystem;
  if (found->kind == Found::Kind::filesystem && (wanted.empty() || wanted == found->name)) return std::string();
  if (found->kind != Found::Kind::empty) {
    const std::string has = node_ + " has " + found->name;
    return Error(Errc::wrong_state, "EnsureFilesystem: " + has + "; only an empty disk is formatted");
  }
  if (wanted.empty()) return refused("Filesystem", "is to be named for an empty disk");
  return node_;
}

Result<> DiskWork::mount() {
  if (disk_.verity) return show_through_verity();
  return show(node_);
}

Result<> DiskWork::show(const std::string& node) {
  if (disk_.block_device) return link_device(node, disk_.target);
  return mount_device(mount_of(disk_, node));
}

Result<> DiskWork::show_through_verity() {
  const auto settings = complete_verity(node_, *disk_.verity);
  if (!settings) return settings.error();
  const std::string name = verity_name(scsi_part(device_.host, disk_.address), settings->root_digest);
  const auto mapping = verity_mapping(name, node_, *settings);
  if (!mapping) return mapping.error();
  const auto node = mapper_->create(*mapping);
  if (!node) return node.error();
  const auto shown = show(*node);
  if (!shown) discard(mapper_->remove(name), "undoing");
  return shown;
}

Result<> DiskWork::undo() {
  if (!disk_.encrypted) return {};
  const std::string part = scsi_part(device_.host, disk_.address);
  return close_encrypted(*mapper_, crypt_name(part), integrity_name(part));
}

Result<> DiskWork::remove() {
  return remove_disk(roots_, *mapper_, disk_);
}

Result<> remove_disk(const SystemRoots& roots, DeviceMapper& mapper, const Disk& disk) {
  const auto gone = disk.block_device ? unlink_device(disk.target) : unmount_device(disk.target);
  if (!gone) return gone;
  const auto host = find_controller(roots, disk.address.controller);
  if (!host) return host.error();
  if (!*host) return {};
  return close_mappings(mapper, scsi_part(**host, disk.address));
}

}  // namespace gcs::storage
