#pragma once

#include <functional>

#include "bridge/session.h"
#include "gcs/guard.h"
#include "runtime/network/network.h"
#include "runtime/pods_memory.h"
#include "runtime/registry.h"
#include "runtime/storage/storage.h"
#include "runtime/storage/tracked_mounts.h"

namespace gcs {

/// What the handlers need: both sides that they introduce to each other, and the way out for notifications.
struct HandlerContext {
  bridge::Exchange& exchange;
  runtime::Registry& registry;
  storage::Storage& storage;
  network::Network& network;
  runtime::PodsMemory& pods_memory;
  Guard& guard;
  storage::TrackedMounts& mounts;
  std::function<void()> power_off;
};

// Each file of handlers registers its own. Thin glue: decode, call the runtime, encode. The context outlives them.
void serve_containers(HandlerContext& context);
void serve_processes(HandlerContext& context);
void serve_resources(HandlerContext& context);

}  // namespace gcs
