// The part of Storage that is about SCSI disks.
#include <fcntl.h>

#include "runtime/safe_path.h"
#include "runtime/storage/claim.h"
#include "runtime/storage/crypt.h"
#include "runtime/storage/filesystem_probe.h"
#include "runtime/storage/mapping_names.h"
#include "runtime/storage/mkfs.h"
#include "runtime/storage/storage.h"
#include "stdio/io/log.h"

namespace gcs::storage {
namespace {

Error refused(const char* field, const char* why) {
  return Error(Errc::invalid_argument, std::string(field) + ": " + why);
}

/// The request's parts, where they can go together; the target then is a clean path.
Result<Disk> checked(Disk disk) {
  auto target = runtime::clean_path("MountPath", disk.target);
  if (!target) return target.error();
  disk.target = std::move(*target);
  if (disk.target == "/") return refused("MountPath", "is the root directory");
  if (!disk.filesystem.empty() && !is_filesystem(disk.filesystem)) return refused("Filesystem", "is not known here");
  const bool can_be_made = disk.filesystem == "ext4" || disk.filesystem == "xfs";
  if ((disk.encrypted || disk.ensure_filesystem) && !disk.filesystem.empty() && !can_be_made) {
    return refused("Filesystem", "only ext4 and xfs can be made");
  }
  if (disk.encrypted && disk.filesystem.empty()) return refused("Filesystem", "is to be named for an encrypted disk");
  if (disk.encrypted && disk.read_only)
    return refused("Encrypted", "a disk that is encrypted anew has nothing to read");
  if (disk.block_device && (disk.encrypted || disk.verity)) return refused("BlockDev", "such a disk is given as it is");
  if (disk.verity && !disk.read_only) return refused("VerityInfo", "the disk is not read-only");
  return disk;
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

std::string address_key(const ScsiAddress& address) {
  return "scsi " + std::to_string(address.controller) + ":" + std::to_string(address.lun) + ":" +
         std::to_string(address.partition);
}

Result<> mount_through_verity(DeviceMapper& mapper, const Disk& disk, const ScsiDevice& device) {
  const auto settings = complete_verity(device.node, *disk.verity);
  if (!settings) return settings.error();
  const std::string name = verity_name(scsi_part(device.host, disk.address), settings->root_digest);
  const auto mapping = verity_mapping(name, device.node, *settings);
  if (!mapping) return mapping.error();
  const auto node = mapper.create(*mapping);
  if (!node) return node.error();
  const auto mounted = mount_device(mount_of(disk, *node));
  if (!mounted) discard(mapper.remove(name), "undoing");
  return mounted;
}

/// Whatever is mounted, linked or mapped for the disk.
Result<> take_away(DeviceMapper& mapper, const SystemRoots& roots, const Disk& disk) {
  const auto gone = disk.block_device ? unlink_device(disk.target) : unmount_device(disk.target);
  if (!gone) return gone;
  const auto host = find_controller(roots, disk.address.controller);
  if (!host) return host.error();
  if (!*host) return {};
  return close_mappings(mapper, scsi_part(**host, disk.address));
}

}  // namespace

io::Task<Result<ScsiDevice>> Storage::await_disk(ScsiAddress address, Deadline deadline) {
  std::function<Result<std::optional<ScsiDevice>>()> look = [roots = roots_, address] {
    return find_scsi_device(roots, address);
  };
  for (;;) {
    const auto seen = co_await context_.offload.call<std::optional<ScsiDevice>>(look);
    if (!seen) co_return seen.error();
    if (*seen) co_return **seen;
    if (context_.stdio.clock.now() >= deadline) {
      co_return Error(Errc::not_found, "there is no disk at " + to_string(address));
    }
    co_await pause();
  }
}

io::Task<Result<>> Storage::add_disk(Disk disk) {
  if (disk.target.empty()) co_return Result<>();
  auto clean = checked(std::move(disk));
  if (!clean) co_return clean.error();
  const auto claimed = co_await claim(clean->target, address_key(clean->address));
  const auto free = co_await require_free(clean->target);
  if (!free) co_return free;
  for (const std::string& word : parse_mount_options(clean->options).unknown) {
    log::warn("a mount option that means nothing here", {{"option", word}, {"target", clean->target}});
  }
  const auto device = co_await await_disk(clean->address, context_.stdio.clock.now() + kDeviceLimit);
  if (!device) co_return device.error();
  co_return co_await use_disk(std::move(*clean), *device);
}

io::Task<Result<>> Storage::use_disk(Disk disk, ScsiDevice device) {
  if (disk.block_device) {
    std::function<Result<>()> link = [disk, device] { return link_device(device.node, disk.target); };
    return run(std::move(link));
  }
  if (disk.encrypted) return mount_encrypted(std::move(disk), std::move(device));
  if (disk.verity) return mount_verified(std::move(disk), std::move(device));
  return mount_plain(std::move(disk), std::move(device));
}

io::Task<Result<>> Storage::mount_plain(Disk disk, ScsiDevice device) {
  if (disk.ensure_filesystem) {
    const auto ensured = co_await ensure_filesystem(disk.filesystem, device.node);
    if (!ensured) co_return ensured;
  }
  std::function<Result<>()> mount = [disk, device] { return mount_device(mount_of(disk, device.node)); };
  co_return co_await run(mount);
}

io::Task<Result<>> Storage::mount_verified(Disk disk, ScsiDevice device) {
  std::function<Result<>()> mount = [mapper = mapper_, disk, device] {
    return mount_through_verity(*mapper, disk, device);
  };
  co_return co_await run(mount);
}

/// Only what is empty gets a file system. A disk that is slow to answer, damaged, or somebody else's keeps what it has.
io::Task<Result<>> Storage::ensure_filesystem(std::string filesystem, std::string node) {
  std::function<Result<Found>()> look = [node] { return probe_device(node); };
  const auto found = co_await context_.offload.call<Found>(look);
  if (!found) co_return found.error();
  if (found->kind == Found::Kind::filesystem && (filesystem.empty() || filesystem == found->name)) co_return Result<>();
  if (found->kind != Found::Kind::empty) {
    const std::string has = node + " has " + found->name;
    co_return Error(Errc::wrong_state, "EnsureFilesystem: " + has + "; only an empty disk is formatted");
  }
  if (filesystem.empty()) co_return refused("Filesystem", "is to be named for an empty disk");
  co_return co_await make_filesystem(context_, filesystem, node);
}

io::Task<Result<>> Storage::mount_encrypted(Disk disk, ScsiDevice device) {
  const std::string part = scsi_part(device.host, disk.address);
  std::function<Result<std::string>()> encrypt = [mapper = mapper_, device, part] {
    return encrypt_device(*mapper, device.node, crypt_name(part), integrity_name(part));
  };
  const auto node = co_await context_.offload.call<std::string>(encrypt);
  if (!node) co_return node.error().within("encrypt " + device.node);
  auto done = co_await make_filesystem(context_, disk.filesystem, *node);
  if (done) {
    std::function<Result<>()> mount = [disk, node = *node] { return mount_device(mount_of(disk, node)); };
    done = co_await run(mount);
  }
  if (!done) {
    std::function<Result<>()> undo = [mapper = mapper_, part] {
      return close_encrypted(*mapper, crypt_name(part), integrity_name(part));
    };
    discard(co_await run(undo), "undoing");
  }
  co_return done;
}

io::Task<Result<>> Storage::remove_disk(Disk disk) {
  if (disk.target.empty()) co_return Result<>();
  auto target = runtime::clean_path("MountPath", disk.target);
  if (!target) co_return target.error();
  disk.target = std::move(*target);
  const auto claimed = co_await claim(disk.target, address_key(disk.address));
  std::function<Result<>()> job = [mapper = mapper_, roots = roots_, disk] { return take_away(*mapper, roots, disk); };
  co_return co_await run(job);
}

io::Task<Result<>> Storage::unplug(uint8_t controller, uint8_t lun) {
  ScsiAddress disk;
  disk.controller = controller;
  disk.lun = lun;
  const auto claimed = co_await claim(address_key(disk), "");
  std::function<Result<>()> job = [roots = roots_, controller, lun] {
    return unplug_scsi_disk(roots, controller, lun);
  };
  co_return co_await run(job);
}

}  // namespace gcs::storage
