#include "bridge/messages_storage.h"
#include "gcs/resources.h"

namespace gcs {

ResourceTask modify_combined_layers(HandlerContext& context, const bridge::ModifySettings& request) {
  const auto settings = bridge::decode_combined_layers(request);
  if (!settings) co_return settings.error();
  if (request.request_type == "Remove") {
    storage::BundleUse in_use = [&context](const std::string& bundle) { return context.registry.uses_bundle(bundle); };
    co_return co_await context.storage.remove_layers(settings->root_path, std::move(in_use));
  }
  if (request.request_type != "Add") co_return unsupported_request(request);
  runtime::CombinedLayers layers;
  layers.root_path = settings->root_path;
  layers.layer_paths = settings->layer_paths;
  layers.scratch_path = settings->scratch_path;
  co_return co_await context.storage.add_layers(std::move(layers));
}

}  // namespace gcs
