#include "tests/host/container.h"

#include <nlohmann/json.hpp>

namespace gcs::host {
namespace {

json about(const std::string& container) {
  json body = json::object();
  body["ContainerId"] = container;
  return body;
}

io::Task<Result<>> ask(Host& host, Message message, json body) {
  const auto answer = co_await request(host, message, std::move(body));
  if (!answer) co_return answer.error().within(name_of(value(message)));
  co_return Result<>();
}

json layers_settings(const std::string& container, const std::string& rootfs) {
  json settings = json::object();
  settings["ContainerID"] = container;
  settings["ContainerRootPath"] = rootfs;
  return settings;
}

io::Task<Result<json>> properties(Host& host, std::string container, const char* type) {
  json query = json::object();
  query["PropertyTypes"].push_back(type);
  json body = about(container);
  body["Query"] = to_text(query);
  const auto answer = co_await request(host, Message::get_properties, std::move(body));
  if (!answer) co_return answer.error();
  auto found = parse_json(text_of(*answer, "Properties"));
  if (!found) co_return Error(Errc::malformed, "Properties are no JSON");
  co_return std::move(*found);
}

}  // namespace

io::Task<Result<>> combine_layers(Host& host, const ContainerSpec& spec) {
  json settings = layers_settings(spec.id, spec.rootfs());
  for (const std::string& path : spec.layers) settings["Layers"].push_back({{"Path", path}});
  if (!spec.scratch().empty()) settings["ScratchPath"] = spec.scratch();
  co_return co_await modify(host, "Add", "CombinedLayers", std::move(settings));
}

io::Task<Result<>> separate_layers(Host& host, const ContainerSpec& spec) {
  return separate_layers(host, spec.id, spec.rootfs());
}

io::Task<Result<>> separate_layers(Host& host, std::string container, std::string rootfs) {
  json settings = layers_settings(container, rootfs);
  co_return co_await modify(host, "Remove", "CombinedLayers", std::move(settings));
}

io::Task<Result<>> modify(Host& host, std::string type, std::string resource, json settings, std::string container) {
  json body = about(container);
  json& inner = body["Request"];
  inner["RequestType"] = std::move(type);
  inner["ResourceType"] = std::move(resource);
  inner["Settings"] = std::move(settings);
  co_return co_await ask(host, Message::modify_settings, std::move(body));
}

io::Task<Result<>> create_container(Host& host, const ContainerSpec& spec) {
  return create_container(host, spec, oci_spec(spec));
}

io::Task<Result<>> create_container(Host& host, const ContainerSpec& spec, json oci) {
  const std::string id = spec.id;  // a call that is given up ends later than its caller's spec
  const auto watched = co_await host.watch(id);
  if (!watched) co_return watched.error();
  json config = json::object();
  config["SchemaVersion"] = {{"Major", 2}, {"Minor", 1}};
  config["OciBundlePath"] = spec.bundle();
  config["OciSpecification"] = std::move(oci);
  config["ScratchDirPath"] = spec.scratch();
  json body = about(spec.id);
  body["ContainerConfig"] = to_text(config);
  const auto created = co_await ask(host, Message::create, std::move(body));
  if (!created) discard(co_await host.unwatch(id), "the creation's error is the one to tell");
  co_return created;
}

io::Task<Result<std::unique_ptr<Process>>> start_container(Host& host, const ContainerSpec& spec, Streams streams) {
  const std::string id = spec.id;  // likewise
  json body = about(id);
  const auto started = co_await ask(host, Message::start, std::move(body));
  if (!started) co_return started.error();
  json parameters = json::object();
  co_return co_await Process::start(host, id, std::move(parameters), streams);
}

io::Task<Result<std::unique_ptr<Process>>> execute(Host& host, std::string container, Command command,
                                                   Streams streams) {
  return Process::start(host, std::move(container), exec_parameters(command), streams);
}

io::Task<Result<std::unique_ptr<Process>>> execute_in_vm(Host& host, Command command, Streams streams) {
  return Process::start(host, std::string(kUvmId), uvm_parameters(command), streams);
}

io::Task<Result<>> shut_down(Host& host, std::string container, bool forced) {
  return ask(host, forced ? Message::shutdown_forced : Message::shutdown_graceful, about(container));
}

io::Task<Result<>> delete_container(Host& host, std::string container) {
  return ask(host, Message::delete_container_state, about(container));
}

io::Task<Result<std::vector<uint32_t>>> process_ids(Host& host, std::string container) {
  const auto found = co_await properties(host, std::move(container), "ProcessList");
  if (!found) co_return found.error();
  std::vector<uint32_t> pids;
  const json* list = member(*found, "ProcessList");
  if (list == nullptr || !list->is_array()) co_return pids;
  for (const json& entry : *list) pids.push_back(static_cast<uint32_t>(number_of(entry, "ProcessId")));
  co_return pids;
}

io::Task<Result<json>> statistics(Host& host, std::string container) {
  const auto found = co_await properties(host, std::move(container), "Statistics");
  if (!found) co_return found.error();
  const json* metrics = member(*found, "LCOWMetrics");
  if (metrics == nullptr) co_return Error(Errc::not_found, "no statistics in the answer");
  co_return *metrics;
}

io::Task<Result<std::string>> stacks(Host& host) {
  const auto answer = co_await request(host, Message::dump_stacks, json::object());
  if (!answer) co_return answer.error();
  co_return text_of(*answer, "GuestStacks");
}

io::Task<Result<>> quiet(Host& host) {
  for (;;) {
    const auto tasks = co_await stacks(host);
    if (!tasks) co_return tasks.error();
    const bool busy = tasks->find(": offload\n") != tasks->npos || tasks->find("memory watch: start\n") != tasks->npos;
    if (!busy) co_return Result<>();
  }
}

}  // namespace gcs::host
