#include "bridge/messages_storage.h"
#include "gcs/confined_mounts.h"
#include "gcs/confinement.h"
#include "gcs/resources.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

/// A container that runs, or is about to, keeps its root file system. The kernel would let it go: the container has a
/// mount of its own.
Result<> require_no_user(const runtime::Registry& registry, const std::string& root_path) {
  using State = runtime::ContainerState;
  const std::string id = container_of_rootfs(root_path);
  const auto container = registry.find(id);
  const bool creating = !container && container.error().code() == Errc::wrong_state;
  const bool runs = container && ((*container)->state() == State::starting || (*container)->state() == State::running);
  if (!creating && !runs) return {};
  return Error(Errc::wrong_state, root_path + ": is in use by a container that runs");
}

runtime::CombinedLayers layers_of(const bridge::CombinedLayers& settings) {
  runtime::CombinedLayers layers;
  layers.root_path = settings.root_path;
  layers.layer_paths = settings.layer_paths;
  layers.scratch_path = settings.scratch_path;
  return layers;
}

}  // namespace

ResourceTask modify_combined_layers(HandlerContext& context, const bridge::ModifySettings& request) {
  const auto settings = bridge::decode_combined_layers(request);
  if (!settings) co_return settings.error();
  if (request.request_type == "Remove") {
    if (context.guard.confines()) {
      const auto unused = require_no_user(context.registry, settings->root_path);
      if (!unused) co_return unused;
    }
    auto mount = tracked_root(settings->root_path);
    auto work = context.storage.remove_layers(settings->root_path);
    co_return co_await unmount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
  }
  if (request.request_type != "Add") co_return unsupported_request(request);
  runtime::CombinedLayers layers = layers_of(*settings);
  auto mount = tracked(layers);
  auto work = context.storage.add_layers(std::move(layers));
  const auto added = co_await mount_tracked(context.guard, context.mounts, std::move(mount), std::move(work));
  const bool writes = !settings->scratch_path.empty();
  if (added && writes && context.guard.confines() && !context.mounts.is_encrypted(settings->scratch_path)) {
    log::warn("a scratch that is not encrypted", {{"cid", settings->container_id}, {"path", settings->scratch_path}});
  }
  co_return added;
}

}  // namespace gcs
