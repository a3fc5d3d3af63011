#include <nlohmann/json.hpp>

#include "bridge/messages_out.h"
#include "bridge/messages_resource.h"
#include "gcs/handlers.h"
#include "runtime/layers.h"

namespace gcs {
namespace {

using bridge::Body;
using Payload = Result<std::string>;

io::Task<Result<>> combined_layers(HandlerContext& context, const bridge::ModifySettings& request) {
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
  co_return Error(Errc::unsupported, "the RequestType \"" + request.request_type + "\" is not supported");
}

/// OCI linux.resources for the runtime's update; `Windows` beside it means nothing here.
io::Task<Result<>> constraints(HandlerContext& context, const bridge::ModifySettings& request) {
  const auto container = context.registry.find(request.base.container_id);
  if (!container) co_return container.error();
  const nlohmann::json& settings = *request.settings;
  const auto linux = settings.is_object() ? settings.find("Linux") : settings.end();
  if (!settings.is_object() || linux == settings.end() || !linux->is_object()) {
    co_return Error(Errc::malformed, "Request.Settings.Linux is no object");
  }
  co_return co_await (*container)->update(linux->dump());
}

io::Task<Payload> modify(HandlerContext& context, Body body) {
  const auto request = bridge::decode_modify_settings(body);
  if (!request) co_return request.error();
  Result<> done;
  if (request->resource_type == "ContainerConstraints") {
    done = co_await constraints(context, *request);
  } else if (request->base.container_id != bridge::kNullId) {
    done =
        Error(Errc::unsupported, "the ResourceType \"" + request->resource_type + "\" is not supported for containers");
  } else if (request->resource_type == "CombinedLayers") {
    done = co_await combined_layers(context, *request);
  } else if (bridge::is_resource_type(request->resource_type)) {
    done = Error(Errc::not_implemented, "the ResourceType \"" + request->resource_type + "\" is not served yet");
  } else {
    done = Error(Errc::unsupported, "invalid ResourceType '" + request->resource_type + "'");
  }
  if (!done) co_return done.error();
  co_return bridge::encode_success(request->base.activity_id);
}

}  // namespace

void serve_resources(HandlerContext& context) {
  context.exchange.dispatch.serve(bridge::MessageType::modify_settings,
                                  [&context](Body body) { return modify(context, std::move(body)); });
}

}  // namespace gcs
