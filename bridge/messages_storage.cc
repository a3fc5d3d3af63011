#include "bridge/messages_storage.h"

namespace gcs::bridge {
namespace {

Fields settings_of(const ModifySettings& modify) {
  return Fields(modify.settings, "Request.Settings");
}

ScsiDevice scsi_device(Fields& fields) {
  ScsiDevice device;
  device.controller = fields.u8("Controller");
  device.lun = fields.u8("Lun");
  return device;
}

std::optional<VerityInfo> verity_info(Fields& fields) {
  if (!fields.has("VerityInfo")) return std::nullopt;
  Fields info = fields.object("VerityInfo");
  VerityInfo verity;
  verity.root_digest = info.string("RootDigest");
  if (verity.root_digest.empty()) return std::nullopt;
  verity.ext4_size = info.u64("Ext4SizeInBytes");
  verity.version = info.u32("Version");
  verity.block_size = info.u32("BlockSize");
  verity.algorithm = info.string("Algorithm");
  verity.salt = info.string("Salt");
  verity.super_block = info.boolean("SuperBlock");
  return verity;
}

}  // namespace

Result<ScsiDevice> decode_scsi_device(const ModifySettings& modify) {
  Fields fields = settings_of(modify);
  const ScsiDevice device = scsi_device(fields);
  return fields.finish(device);
}

Result<MappedVirtualDisk> decode_mapped_virtual_disk(const ModifySettings& modify) {
  Fields fields = settings_of(modify);
  MappedVirtualDisk disk;
  disk.device = scsi_device(fields);
  disk.partition = fields.u64("Partition");
  disk.mount_path = fields.string("MountPath");
  disk.filesystem = fields.string("Filesystem");
  disk.read_only = fields.boolean("ReadOnly");
  disk.encrypted = fields.boolean("Encrypted");
  disk.block_dev = fields.boolean("BlockDev");
  disk.ensure_filesystem = fields.boolean("EnsureFilesystem");
  disk.options = fields.strings("Options");
  disk.verity = verity_info(fields);
  return fields.finish(std::move(disk));
}

Result<MappedDirectory> decode_mapped_directory(const ModifySettings& modify) {
  Fields fields = settings_of(modify);
  MappedDirectory directory;
  directory.mount_path = fields.string("MountPath");
  directory.port = fields.i32("Port");
  directory.share_name = fields.string("ShareName");
  directory.read_only = fields.boolean("ReadOnly");
  return fields.finish(std::move(directory));
}

Result<VpmemDevice> decode_vpmem_device(const ModifySettings& modify) {
  Fields fields = settings_of(modify);
  VpmemDevice device;
  device.device_number = fields.u32("DeviceNumber");
  device.mount_path = fields.string("MountPath");
  device.mapped = fields.has("MappingInfo");
  Fields mapping = fields.object("MappingInfo");
  device.offset = mapping.u64("DeviceOffsetInBytes");
  device.size = mapping.u64("DeviceSizeInBytes");
  device.verity = verity_info(fields);
  return fields.finish(std::move(device));
}

Result<CombinedLayers> decode_combined_layers(const ModifySettings& modify) {
  Fields fields = settings_of(modify);
  CombinedLayers layers;
  layers.container_id = fields.string("ContainerID");
  layers.root_path = fields.string("ContainerRootPath");
  for (Fields& layer : fields.objects("Layers")) layers.layer_paths.push_back(layer.string("Path"));
  layers.scratch_path = fields.string("ScratchPath");
  return fields.finish(std::move(layers));
}

}  // namespace gcs::bridge
