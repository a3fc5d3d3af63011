#include "bridge/messages_storage.h"
#include "gcs/confined_mounts.h"
#include "gcs/confinement.h"
#include "gcs/resources.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

/// A confined host puts a root file system together before there is a container for it, and leaves it there while that
/// runs or is about to. (The kernel would let it go earlier: a container has a mount of its own.)
Result<> require_no_user(const runtime::Registry& registry, const std::string& root_path, bool adds) {
  using State = runtime::ContainerState;
  const auto container = registry.find(container_of_rootfs(root_path));
  if (!container && container.error().code() == Errc::container_not_found) return {};
  const bool idle = container && (*container)->state() != State::starting && (*container)->state() != State::running;
  if (idle && !adds) return {};
  return Error(Errc::wrong_state, root_path + ": is in use by a container" + (adds ? "" : " that runs"));
}

runtime::CombinedLayers layers_of(const bridge::CombinedLayers& settings) {
  runtime::CombinedLayers layers;
  layers.root_path = settings.root_path;
  layers.layer_paths = settings.layer_paths;
  layers.scratch_path = settings.scratch_path;
  return layers;
}

ResourceTask add(HandlerContext& context, const bridge::CombinedLayers& settings) {
  runtime::CombinedLayers layers = layers_of(settings);
  auto mount = tracked(layers);
  const bool confined = context.guard.confines();
  if (confined && mount) {
    const auto unused = require_no_user(context.registry, mount->path, true);
    if (!unused) co_return unused;
  }
  auto work = context.storage.add_layers(std::move(layers));
  const auto added = co_await mount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
  const bool writes = !settings.scratch_path.empty();
  if (added && confined && writes && !context.mounts.is_encrypted(settings.scratch_path)) {
    log::warn("a scratch that is not encrypted", {{"cid", settings.container_id}, {"path", settings.scratch_path}});
  }
  co_return added;
}

ResourceTask remove(HandlerContext& context, const std::string& root_path) {
  auto mount = tracked_root(root_path);
  if (context.guard.confines() && mount) {
    const auto unused = require_no_user(context.registry, mount->path, false);
    if (!unused) co_return unused;
  }
  storage::BundleUse use;
  use.in_use = [&context](const std::string& bundle) { return context.registry.uses_bundle(bundle); };
  use.gone = [&context](const std::string& bundle) { context.mounts.end_bundle(bundle); };
  auto work = context.storage.remove_layers(root_path, std::move(use));
  co_return co_await unmount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
}

}  // namespace

ResourceTask modify_combined_layers(HandlerContext& context, const bridge::ModifySettings& request) {
  const auto settings = bridge::decode_combined_layers(request);
  if (!settings) co_return settings.error();
  if (request.request_type == "Remove") co_return co_await remove(context, settings->root_path);
  if (request.request_type != "Add") co_return unsupported_request(request);
  co_return co_await add(context, *settings);
}

}  // namespace gcs
