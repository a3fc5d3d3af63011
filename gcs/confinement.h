#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string_view>

#include "bridge/messages_container.h"
#include "bridge/messages_process.h"
#include "bridge/messages_storage.h"

/// What a host may ask for in a VM whose policy confines it: nothing but what a shim asks of a confidential VM (the v1
/// shim's paths; behaviour.md 17). The rules are those of the Go GCS, which has them where a policy with a text is set,
/// and one more: OCI fields that we do not know are refused (runtime/oci_fields.h) instead of passed on.
///
/// All give `invalid_argument`, or `unsupported` for what is known and forbidden, and name the field.
namespace gcs {

/// The VM's own id, or 64 hexadecimal digits. `field` is its name.
Result<> check_confined_id(std::string_view field, std::string_view id);

/// Where the bundle of a confined container is, and its root file system.
std::string confined_bundle(std::string_view id);
std::string confined_rootfs(std::string_view id);

/// The container whose root file system a clean path would be; empty for a path that is none.
std::string container_of_rootfs(std::string_view path);

/// The ids of the container and its pod; the bundle at /run/gcs/c/ID, its root file system below it, the scratch
/// directory below it or below its sandbox's; no hooks.
Result<> check_confined(const bridge::Create& create);

/// An exec's process object.
Result<> check_confined(const bridge::ExecuteProcess& execute);

/// A container's new resources, as ContainerConstraints has them: known fields only.
Result<> check_confined_resources(const nlohmann::json& settings);

/// On an Add the option "ro" where the disk is read-only, and no other; such a disk holds an ext4.
Result<> check_confined(const bridge::MappedVirtualDisk& disk, bool adds);

/// A whole device.
Result<> check_confined(const bridge::VpmemDevice& device);

/// A share that is named by digits.
Result<> check_confined(const bridge::MappedDirectory& directory);

/// On an Add the paths of the container's root file system and scratch directory, as at its creation.
Result<> check_confined(const bridge::CombinedLayers& layers, bool adds);

}  // namespace gcs
