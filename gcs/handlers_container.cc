#include "bridge/messages_container.h"
#include "bridge/messages_out.h"
#include "bridge/messages_resource.h"
#include "gcs/confinement.h"
#include "gcs/handlers.h"
#include "runtime/metrics.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

using bridge::Body;
using Payload = Result<std::string>;

bridge::ExitKind wire_kind(runtime::ExitType type) {
  switch (type) {
    case runtime::ExitType::graceful: return bridge::ExitKind::graceful;
    case runtime::ExitType::forced: return bridge::ExitKind::forced;
    case runtime::ExitType::unexpected: return bridge::ExitKind::unexpected;
  }
  return bridge::ExitKind::unexpected;
}

/// Tells the host of the container's end, once.
io::Task<> notify_exit(HandlerContext& context, runtime::ContainerPtr container, std::string activity) {
  co_await container->stopped();
  const auto present = context.registry.find(container->id());
  if (!present || *present != container) co_return;  // deleted: its name may be another's by now
  log::info("container exited", {{"cid", container->id()}});
  const std::string payload =
      bridge::encode_exit_notification(container->id(), activity, wire_kind(container->exit_type()));
  context.exchange.push(bridge::notification(container->id(), payload));
}

io::Task<Payload> create(HandlerContext& context, Body body) {
  auto request = bridge::decode_create(body);
  if (!request) co_return request.error();
  runtime::ContainerConfig config;
  config.id = request->base.container_id;
  config.bundle_path = request->bundle_path;
  config.scratch_path = request->scratch_path;
  config.spec = request->spec;
  config.security = context.guard.policy().texts();
  const std::string activity = request->base.activity_id;
  auto container = co_await context.registry.create(std::move(config));
  if (!container) co_return container.error();
  context.registry.watch(notify_exit(context, *container, activity));
  co_return bridge::encode_created(activity);
}

/// Hosts send it between Create and ExecuteProcess; the start itself is in ExecuteProcess.
io::Task<Payload> start(HandlerContext&, Body body) {
  const auto request = bridge::decode_base(body);
  if (!request) co_return request.error();
  co_return bridge::encode_success(request->activity_id);
}

/// A container's init process, or the VM itself: that is powered off, and there is no answer to that (wire.md 7.4).
io::Task<Payload> shut_down(HandlerContext& context, Body body, bool forced) {
  const auto request = bridge::decode_base(body);
  if (!request) co_return request.error();
  if (request->container_id == bridge::kNullId) {
    log::info("the host asks for power-off", {{"forced", forced}});
    context.power_off();
    io::Condition never(context.exchange.requests.executor(), "power-off");
    co_await never.next();
  }
  const auto container = context.registry.find(request->container_id);
  if (!container) co_return container.error();
  const auto done = co_await (*container)->shut_down(forced);
  if (!done) co_return done.error();
  co_return bridge::encode_success(request->activity_id);
}

/// A confined host takes the root file system down first, once the container has ended.
Result<> check_removal(const HandlerContext& context, const std::string& id) {
  if (!context.guard.confines()) return {};
  const auto container = context.registry.find(id);
  if (!container) return container.error();
  if (!context.mounts.has_overlay(confined_rootfs(id))) return {};
  return Error(Errc::wrong_state, "container " + id + ": its root file system is still mounted");
}

io::Task<Payload> remove(HandlerContext& context, Body body) {
  const auto request = bridge::decode_base(body);
  if (!request) co_return request.error();
  const auto allowed = check_removal(context, request->container_id);
  if (!allowed) co_return allowed.error();
  const auto done = co_await context.registry.remove(request->container_id);
  if (!context.registry.contains(request->container_id)) {
    context.exchange.outbox.forget(request->container_id);
    context.mounts.end_bundle(confined_bundle(request->container_id));
  }
  if (!done) co_return done.error();
  co_return bridge::encode_success(request->activity_id);
}

/// A list of a million is no more work than one of each.
struct Wanted {
  bool process_list = false;
  bool statistics = false;
  size_t unknown = 0;
  std::string first_unknown;
};

Wanted wanted(const std::vector<std::string>& types) {
  Wanted all;
  for (const std::string& type : types) {
    if (type == "ProcessList") {
      all.process_list = true;
    } else if (type == "Statistics") {
      all.statistics = true;
    } else if (++all.unknown == 1) {
      all.first_unknown = type.substr(0, 64);
    }
  }
  return all;
}

io::Task<Payload> get_properties(HandlerContext& context, Body body) {
  const auto request = bridge::decode_get_properties(body);
  if (!request) co_return request.error();
  if (request->base.container_id == bridge::kNullId) {
    co_return Error(Errc::unsupported, "the VM itself has no properties");
  }
  const auto container = context.registry.find(request->base.container_id);
  if (!container) co_return container.error();
  const Wanted types = wanted(request->types);
  if (types.unknown > 0) {
    log::warn("unknown property type",
              {{"cid", request->base.container_id}, {"type", types.first_unknown}, {"count", types.unknown}});
  }
  bridge::Properties properties;
  if (types.process_list) {
    auto pids = co_await (*container)->pids();
    if (!pids) co_return pids.error();
    properties.process_ids = std::move(*pids);
  }
  if (types.statistics) {
    const auto stats = co_await (*container)->stats();
    if (!stats) co_return stats.error();
    properties.metrics = runtime::metrics_text(*stats);
  }
  co_return bridge::encode_properties(request->base.activity_id, properties);
}

}  // namespace

void serve_containers(HandlerContext& context) {
  using bridge::MessageType;
  bridge::Dispatch& dispatch = context.exchange.dispatch;
  dispatch.serve(MessageType::create, [&context](Body body) { return create(context, std::move(body)); });
  dispatch.serve(MessageType::start, [&context](Body body) { return start(context, std::move(body)); });
  dispatch.serve(MessageType::shutdown_graceful,
                 [&context](Body body) { return shut_down(context, std::move(body), false); });
  dispatch.serve(MessageType::shutdown_forced,
                 [&context](Body body) { return shut_down(context, std::move(body), true); });
  dispatch.serve(MessageType::delete_container_state,
                 [&context](Body body) { return remove(context, std::move(body)); });
  dispatch.serve(MessageType::get_properties,
                 [&context](Body body) { return get_properties(context, std::move(body)); });
}

}  // namespace gcs
