#include "gcs/resources.h"
#include "runtime/layers.h"

namespace gcs {

ResourceTask modify_combined_layers(HandlerContext& context, const bridge::ModifySettings& request) {
  const auto settings = bridge::decode_combined_layers(request);
  if (!settings) co_return settings.error();
  if (request.request_type == "Add") {
    runtime::CombinedLayers layers;
    layers.root_path = settings->root_path;
    layers.layer_paths = settings->layer_paths;
    layers.scratch_path = settings->scratch_path;
    std::function<Result<>()> job = [layers] { return runtime::add_combined_layers(layers); };
    co_return co_await context.offload.call<void>(job);
  }
  if (request.request_type == "Remove") {
    const std::string root = settings->root_path;
    std::function<Result<>()> job = [root] { return runtime::remove_combined_layers(root); };
    co_return co_await context.offload.call<void>(job);
  }
  co_return unsupported_request(request);
}

}  // namespace gcs
