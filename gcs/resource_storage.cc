#include "bridge/messages_storage.h"
#include "gcs/confined_mounts.h"
#include "gcs/resources.h"

namespace gcs {
namespace {

std::optional<storage::VeritySettings> verity_of(const std::optional<bridge::VerityInfo>& info) {
  if (!info) return std::nullopt;
  storage::VeritySettings settings;
  settings.data_bytes = info->ext4_size;
  settings.version = info->version;
  settings.block_size = info->block_size;
  settings.algorithm = info->algorithm;
  settings.salt = info->salt;
  settings.root_digest = info->root_digest;
  settings.superblock = info->super_block;
  return settings;
}

storage::Disk disk_of(const bridge::MappedVirtualDisk& settings) {
  storage::Disk disk;
  disk.address.controller = settings.device.controller;
  disk.address.lun = settings.device.lun;
  disk.address.partition = settings.partition;
  disk.target = settings.mount_path;
  disk.filesystem = settings.filesystem;
  disk.read_only = settings.read_only;
  disk.encrypted = settings.encrypted;
  disk.block_device = settings.block_dev;
  disk.ensure_filesystem = settings.ensure_filesystem;
  disk.options = settings.options;
  disk.verity = verity_of(settings.verity);
  return disk;
}

storage::Pmem pmem_of(const bridge::VpmemDevice& settings) {
  storage::Pmem pmem;
  pmem.device = settings.device_number;
  pmem.target = settings.mount_path;
  if (settings.mapped) pmem.part = storage::PmemPart{settings.offset, settings.size};
  pmem.verity = verity_of(settings.verity);
  return pmem;
}

bool adds(const bridge::ModifySettings& request) {
  return request.request_type == "Add";
}

bool removes(const bridge::ModifySettings& request) {
  return request.request_type == "Remove";
}

}  // namespace

ResourceTask modify_scsi_device(HandlerContext& context, const bridge::ModifySettings& request) {
  if (!removes(request)) co_return unsupported_request(request);
  const auto settings = bridge::decode_scsi_device(request);
  if (!settings) co_return settings.error();
  co_return co_await context.storage.unplug(settings->controller, settings->lun);
}

ResourceTask modify_mapped_virtual_disk(HandlerContext& context, const bridge::ModifySettings& request) {
  if (!adds(request) && !removes(request)) co_return unsupported_request(request);
  const auto settings = bridge::decode_mapped_virtual_disk(request);
  if (!settings) co_return settings.error();
  if (settings->mount_path.empty()) co_return Result<>();
  storage::Disk disk = disk_of(*settings);
  auto mount = tracked(disk);
  if (removes(request)) {
    auto work = context.storage.remove_disk(std::move(disk));
    co_return co_await unmount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
  }
  if (context.guard.confines()) read_through_tree(disk);
  auto work = context.storage.add_disk(std::move(disk));
  co_return co_await mount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
}

ResourceTask modify_mapped_directory(HandlerContext& context, const bridge::ModifySettings& request) {
  if (!adds(request) && !removes(request)) co_return unsupported_request(request);
  const auto settings = bridge::decode_mapped_directory(request);
  if (!settings) co_return settings.error();
  storage::SharedDirectory directory;
  directory.target = settings->mount_path;
  directory.port = settings->port;
  directory.share = settings->share_name;
  directory.read_only = settings->read_only;
  auto mount = tracked(directory);
  if (removes(request)) {
    auto work = context.storage.remove_directory(settings->mount_path);
    co_return co_await unmount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
  }
  auto work = context.storage.add_directory(std::move(directory));
  co_return co_await mount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
}

ResourceTask modify_vpmem_device(HandlerContext& context, const bridge::ModifySettings& request) {
  if (!adds(request) && !removes(request)) co_return unsupported_request(request);
  const auto settings = bridge::decode_vpmem_device(request);
  if (!settings) co_return settings.error();
  storage::Pmem pmem = pmem_of(*settings);
  auto mount = tracked(pmem);
  if (removes(request)) {
    auto work = context.storage.remove_pmem(std::move(pmem));
    co_return co_await unmount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
  }
  if (context.guard.confines()) read_through_tree(pmem);
  auto work = context.storage.add_pmem(std::move(pmem));
  co_return co_await mount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
}

}  // namespace gcs
