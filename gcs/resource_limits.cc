#include <nlohmann/json.hpp>

#include "gcs/resources.h"

namespace gcs {

/// OCI linux.resources for the runtime's update; `Windows` beside it means nothing here.
ResourceTask modify_container_constraints(HandlerContext& context, const bridge::ModifySettings& request) {
  const auto container = context.registry.find(request.base.container_id);
  if (!container) co_return container.error();
  const nlohmann::json& settings = *request.settings;
  const auto linux = settings.is_object() ? settings.find("Linux") : settings.end();
  if (!settings.is_object() || linux == settings.end() || !linux->is_object()) {
    co_return Error(Errc::malformed, "Request.Settings.Linux is no object");
  }
  nlohmann::json resources = *linux;
  co_return co_await (*container)->update(std::move(resources));
}

/// After memory was added to the VM: it has no settings.
ResourceTask modify_pods_memory(HandlerContext& context, const bridge::ModifySettings& request) {
  if (request.request_type != "Update") co_return unsupported_request(request);
  co_return co_await context.pods_memory.refresh();
}

}  // namespace gcs
