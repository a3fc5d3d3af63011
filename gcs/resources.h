#pragma once

#include "bridge/messages_resource.h"
#include "gcs/handlers.h"

/// What ModifySettings does to each type of resource (wire.md 8). A function answers for every request type of its
/// resource; one that it does not know is `unsupported_request()`.
namespace gcs {

using ResourceTask = io::Task<Result<>>;

// resource_storage.cc
ResourceTask modify_scsi_device(HandlerContext& context, const bridge::ModifySettings& request);
ResourceTask modify_mapped_virtual_disk(HandlerContext& context, const bridge::ModifySettings& request);
ResourceTask modify_mapped_directory(HandlerContext& context, const bridge::ModifySettings& request);
ResourceTask modify_vpmem_device(HandlerContext& context, const bridge::ModifySettings& request);

// resource_layers.cc
ResourceTask modify_combined_layers(HandlerContext& context, const bridge::ModifySettings& request);

// resource_limits.cc
ResourceTask modify_container_constraints(HandlerContext& context, const bridge::ModifySettings& request);
ResourceTask modify_pods_memory(HandlerContext& context, const bridge::ModifySettings& request);

// resource_network.cc
ResourceTask modify_network(HandlerContext& context, const bridge::ModifySettings& request);
ResourceTask modify_vpci_device(HandlerContext& context, const bridge::ModifySettings& request);

// resource_policy.cc
ResourceTask modify_security_policy(HandlerContext& context, const bridge::ModifySettings& request);
ResourceTask modify_policy_fragment(HandlerContext& context, const bridge::ModifySettings& request);

Error unsupported_request(const bridge::ModifySettings& request);

}  // namespace gcs
