#include "tests/agent/stage.h"

#include <cstdlib>
#include <nlohmann/json.hpp>

namespace gcs::testing {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  if (value == nullptr) FAIL(name << " is not set: run these by ctest, or as tests/tests.cmake does");
  return value;
}

Agent started(const AgentSettings& settings) {
  auto agent = Agent::start(settings);
  REQUIRE_MESSAGE(agent, agent.error().message());
  return std::move(*agent);
}

}  // namespace

AgentSettings settings_from_environment() {
  AgentSettings settings;
  settings.binary = variable("GCS");
  settings.runtime = variable("RUNTIME");
  settings.engine = variable("IO");
  return settings;
}

Stage::Stage(const AgentSettings& settings)
    : agent(started(settings)), host(loop.engine(), loop.clock(), *io::parse_transport(kAgentTransport)) {
  const auto connected = loop.run(host.client().connect());
  REQUIRE_MESSAGE(connected, connected.error().message());
}

Stage::~Stage() {
  loop.run(host.client().stop());
  const auto stopped = agent.stop();
  CHECK_MESSAGE(stopped, stopped.error().message());
}

nlohmann::json Stage::ask(host::Message message, nlohmann::json body) {
  auto answer = loop.run(host.call(message, std::move(body)));
  REQUIRE_MESSAGE(answer, answer.error().message());
  return std::move(*answer);
}

Holdings Stage::holdings() {
  const auto quiet = loop.run(host::quiet(host));
  REQUIRE_MESSAGE(quiet, quiet.error().message());
  return agent.holdings();
}

std::string Stage::refusal(host::Message message, nlohmann::json body) {
  const auto said = host::outcome(ask(message, std::move(body)));
  return said ? std::string() : said.error().message();
}

std::unique_ptr<host::Process> Stage::run(const host::ContainerSpec& spec, host::Streams streams) {
  const auto combined = loop.run(host::combine_layers(host, spec));
  REQUIRE_MESSAGE(combined, combined.error().message());
  const auto created = loop.run(host::create_container(host, spec));
  REQUIRE_MESSAGE(created, created.error().message());
  auto process = loop.run(host::start_container(host, spec, streams));
  REQUIRE_MESSAGE(process, process.error().message());
  return std::move(*process);
}

void Stage::remove(const host::ContainerSpec& spec) {
  const auto exited = loop.run(host.exited(spec.id));
  REQUIRE_MESSAGE(exited, exited.error().message());
  const auto separated = loop.run(host::separate_layers(host, spec));
  REQUIRE_MESSAGE(separated, separated.error().message());
  const auto deleted = loop.run(host::delete_container(host, spec.id));
  REQUIRE_MESSAGE(deleted, deleted.error().message());
}

host::ContainerSpec busybox(std::vector<std::string> args) {
  host::ContainerSpec spec;
  spec.id = host::random_id();
  spec.layers = {"/run/layers/busybox"};
  spec.command.args = std::move(args);
  return spec;
}

host::Command command(std::vector<std::string> args) {
  host::Command made;
  made.args = std::move(args);
  return made;
}

}  // namespace gcs::testing
