// Hosts that send nonsense, too much, or do not read: the agent answers what can be answered, and goes on.

#include <doctest/doctest.h>
#include <sys/stat.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/agent/stage.h"
#include "tests/host/call.h"

namespace gcs::testing {
namespace {

using host::Message;
using nlohmann::json;

constexpr uint64_t kAllowedGrowthKib = 16 * 1024;  // design 9.1

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// Sanitizers keep what is freed, so that only what ships tells.
void check_growth(Stage& stage, uint64_t before_kib) {
  if (stage.agent.sanitized()) return;
  CHECK(stage.agent.footprint()->rss_kib < before_kib + kAllowedGrowthKib);
}

/// A script in the place of the OCI runtime.
std::string fake_runtime(const std::string& script) {
  const std::string path = "/run/fake-runtime";
  std::ofstream(path) << "#!/bin/sh\n" << script << "\n";
  REQUIRE(::chmod(path.c_str(), 0755) == 0);
  return path;
}

}  // namespace

TEST_CASE("agent: frames that cannot be are the end of a connection, and of nothing else") {
  Stage stage;
  const auto spec = busybox({"sleep", "1000"});
  const auto process = stage.run(spec);
  for (const uint32_t size : {0u, 15u, 1u << 30, 0xffffffffu}) {
    CAPTURE(size);
    stage.host.client().send_bytes(host::encode_header({host::value(Message::start), size, 1}));
    stage.loop.run(stage.host.client().lost());
    const auto again = stage.loop.run(stage.host.client().connect());
    REQUIRE_MESSAGE(again, again.error().message());
  }
  CHECK(stage.loop.run(host::process_ids(stage.host, spec.id))->size() == 1);
  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  stage.remove(spec);
}

TEST_CASE("agent: ten thousand requests of an unknown type are all refused, and cost nothing that stays") {
  Stage stage;
  const uint64_t before = stage.agent.footprint()->rss_kib;
  std::vector<std::shared_ptr<host::Call>> calls;
  for (int i = 0; i < 10'000; ++i) {
    calls.push_back(stage.host.client().send(0x10109901, stage.host.client().next_id(), "{}"));
  }
  for (const auto& call : calls) {
    const auto answer = stage.loop.run(stage.host.client().answer(call));
    REQUIRE(answer);
    REQUIRE_FALSE(host::outcome(*answer));
  }
  check_growth(stage, before);
}

TEST_CASE("agent: a host that never reads its bridge costs a bounded amount, and streams go on meanwhile") {
  Stage stage;
  auto cat = stage.loop.run(host::execute_in_vm(stage.host, command({"/run/layers/busybox/bin/busybox", "cat"}),
                                                host::Streams{true, true, false}));
  REQUIRE_MESSAGE(cat, cat.error().message());
  const uint64_t before = stage.agent.footprint()->rss_kib;
  stage.host.client().stop_reading(true);
  std::vector<std::shared_ptr<host::Call>> calls;
  for (int i = 0; i < 10'000; ++i) {
    calls.push_back(stage.host.client().send(host::value(Message::dump_stacks), stage.host.client().next_id(), "{}"));
  }
  std::string got(5, ' ');
  for (int i = 0; i < 100; ++i) {
    REQUIRE(stage.loop.run(io::write_all(*(*cat)->in, io::as_bytes("hello"))));
    REQUIRE(stage.loop.run(io::read_full(*(*cat)->out, std::as_writable_bytes(std::span(got)))));
    REQUIRE(got == "hello");
  }
  check_growth(stage, before);
  stage.host.client().stop_reading(false);
  for (const auto& call : calls) REQUIRE(stage.loop.run(stage.host.client().answer(call)));
}

TEST_CASE("agent: a stream that is never read stops its process, and nobody else") {
  Stage stage;
  const uint64_t before = stage.agent.footprint()->rss_kib;
  auto yes = stage.loop.run(host::execute_in_vm(stage.host, command({"/run/layers/busybox/bin/busybox", "yes"}),
                                                host::Streams{false, true, false}));
  REQUIRE_MESSAGE(yes, yes.error().message());
  for (int i = 0; i < 100; ++i) CHECK(stage.loop.run(host::stacks(stage.host)));
  check_growth(stage, before);
  REQUIRE(stage.loop.run((*yes)->signal(9)));
  std::vector<std::byte> rest(1 << 20);
  while (*stage.loop.run(io::read_full(*(*yes)->out, rest)) == rest.size()) continue;
  (*yes)->out.reset();
  CHECK(*stage.loop.run((*yes)->wait()) == 0xffffffff);  // as upstream says it of processes of the VM
}

TEST_CASE("agent: ids that are no names are refused by the field's name") {
  Stage stage;
  for (const std::string& id : {std::string("../x"), std::string(".."), std::string("a/b"), std::string("a\0b", 3),
                                std::string(10 * 1024, 'a'), std::string(), std::string(host::kUvmId)}) {
    CAPTURE(id.substr(0, 20));
    auto spec = busybox({"true"});
    spec.id = id;
    json config = {{"SchemaVersion", {{"Major", 2}, {"Minor", 1}}},
                   {"OciBundlePath", "/run/gcs/c/x"},
                   {"OciSpecification", host::oci_spec(spec)}};
    const json body = {{"ContainerId", id}, {"ContainerConfig", config.dump()}};
    CHECK(has(stage.refusal(Message::create, body), "ContainerId"));
  }
}

TEST_CASE("agent: a scratch directory that could not be removed later is refused by the field's name") {
  Stage stage;
  for (const char* path : {"scratch", "/", "/run/../etc"}) {
    CAPTURE(path);
    auto spec = busybox({"true"});
    json config = {{"SchemaVersion", {{"Major", 2}, {"Minor", 1}}},
                   {"OciBundlePath", spec.bundle()},
                   {"ScratchDirPath", path},
                   {"OciSpecification", host::oci_spec(spec)}};
    const json body = {{"ContainerId", spec.id}, {"ContainerConfig", config.dump()}};
    CHECK(has(stage.refusal(Message::create, body), "ScratchDirPath"));
  }
}

TEST_CASE("agent: a second container of the same name is refused, and the first goes on") {
  Stage stage;
  const auto spec = busybox({"sleep", "1000"});
  const auto process = stage.run(spec);
  json config = {{"SchemaVersion", {{"Major", 2}, {"Minor", 1}}},
                 {"OciBundlePath", spec.bundle()},
                 {"OciSpecification", host::oci_spec(spec)}};
  const json again = {{"ContainerId", spec.id}, {"ContainerConfig", config.dump()}};
  const auto said = stage.ask(Message::create, again);
  CHECK(static_cast<uint32_t>(said["Result"].get<int64_t>()) == static_cast<uint32_t>(host::HResult::already_exists));
  CHECK(stage.loop.run(host::process_ids(stage.host, spec.id))->size() == 1);
  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  stage.remove(spec);
}

TEST_CASE("agent: a layer that does not exist is named, and nothing stays mounted") {
  Stage stage;
  auto spec = busybox({"true"});
  spec.layers = {"/run/layers/busybox", "/run/layers/none"};
  const auto combined = stage.loop.run(host::combine_layers(stage.host, spec));
  REQUIRE_FALSE(combined);
  CHECK(has(combined.error().message(), "/run/layers/none"));
  CHECK_FALSE(has(stage.agent.mounts(), spec.id));
}

TEST_CASE("agent: a process without a program is refused, in the VM and in a container") {
  Stage stage;
  CHECK_FALSE(stage.loop.run(host::execute_in_vm(stage.host, command({}), {false, false, false})));
  const auto spec = busybox({"sleep", "1000"});
  const auto process = stage.run(spec);
  CHECK_FALSE(stage.loop.run(host::execute(stage.host, spec.id, command({}), {false, false, false})));
  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  stage.remove(spec);
  auto empty = busybox({});
  REQUIRE(stage.loop.run(host::combine_layers(stage.host, empty)));
  CHECK_FALSE(stage.loop.run(host::create_container(stage.host, empty)));
  CHECK(stage.loop.run(host::separate_layers(stage.host, empty)));
}

TEST_CASE("agent: words that a program would see half of are refused by the field's name") {
  Stage stage;
  const std::string nul("/a\0b", 4);
  const json fields[] = {{{"CommandArgs", {"/bin/true", nul}}},
                         {{"CommandArgs", {"/bin/true"}}, {"Environment", {{"A", nul}}}},
                         {{"CommandArgs", {"/bin/true"}}, {"Environment", {{nul, "A"}}}},
                         {{"CommandArgs", {"/bin/true"}}, {"WorkingDirectory", std::string("/\0b", 3)}}};
  const char* names[] = {"CommandArgs", "Environment", "Environment", "WorkingDirectory"};
  for (size_t i = 0; i < std::size(fields); ++i) {
    json body = {{"ContainerId", host::kUvmId}};
    body["Settings"]["ProcessParameters"] = fields[i].dump();
    const json said = stage.ask(Message::execute_process, body);
    CHECK(static_cast<uint32_t>(said.value("Result", int64_t{0})) ==
          static_cast<uint32_t>(host::HResult::invalid_argument));
    CHECK(has(said.value("ErrorMessage", ""), names[i]));
  }
}

TEST_CASE("agent: a list of a hundred thousand properties is one line in the log, and no more work than a short one") {
  Stage stage;
  const auto spec = busybox({"sleep", "1000"});
  const auto process = stage.run(spec);
  json types = json::array();
  for (int i = 0; i < 100'000; ++i) types.push_back("Statistics");
  for (int i = 0; i < 100'000; ++i) types.push_back("Unheard" + std::to_string(i));
  const json query = {{"PropertyTypes", types}};
  CHECK(stage.refusal(Message::get_properties, {{"ContainerId", spec.id}, {"Query", query.dump()}}) == "");
  const auto lines = [] {
    std::ifstream log(kAgentLog);
    long count = 0;
    for (std::string line; std::getline(log, line);) count += has(line, "unknown property type");
    return count;
  };
  stage.loop.look_until([&] { return lines() > 0; });
  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  stage.remove(spec);
  CHECK(lines() == 1);
}

TEST_CASE("agent: without its OCI runtime containers are refused, and all else is served") {
  auto settings = settings_from_environment();
  settings.runtime = "/no/such/crun";
  Stage stage(settings);
  const auto spec = busybox({"true"});
  REQUIRE(stage.loop.run(host::combine_layers(stage.host, spec)));
  const auto created = stage.loop.run(host::create_container(stage.host, spec));
  REQUIRE_FALSE(created);
  CHECK(has(created.error().message(), "/no/such/crun"));
  CHECK(stage.loop.run(host::separate_layers(stage.host, spec)));
  CHECK(stage.loop.run(host::stacks(stage.host)));
}

TEST_CASE("agent: while the OCI runtime hangs others are served, and the agent can be stopped") {
  auto settings = settings_from_environment();
  settings.runtime = fake_runtime("exec sleep 1000");
  Stage stage(settings);
  const auto spec = busybox({"true"});
  REQUIRE(stage.loop.run(host::combine_layers(stage.host, spec)));
  auto creating = stage.loop.start(host::create_container(stage.host, spec));
  for (int i = 0; i < 100; ++i) CHECK(stage.loop.run(host::stacks(stage.host)));
  CHECK_FALSE(creating.done());
}

TEST_CASE("agent: waits with fat bodies hold up nobody") {
  Stage stage;
  auto sleeper = stage.loop.run(host::execute_in_vm(
      stage.host, command({"/run/layers/busybox/bin/busybox", "sleep", "1000"}), {false, false, false}));
  REQUIRE_MESSAGE(sleeper, sleeper.error().message());
  const json wait = {{"ContainerId", host::kUvmId},
                     {"ProcessId", (*sleeper)->pid()},
                     {"TimeoutInMs", 0xffffffffu},
                     {"Padding", std::string(13u << 20, 'x')}};
  auto& client = stage.host.client();
  std::vector<std::shared_ptr<host::Call>> waits;
  for (int i = 0; i < 4; ++i) {
    waits.push_back(client.send(host::value(Message::wait_for_process), client.next_id(), wait.dump()));
  }
  REQUIRE(stage.loop.run((*sleeper)->signal(9)));
  for (const auto& call : waits) CHECK(stage.loop.run(client.answer(call)));
}

TEST_CASE("agent: a start that fails leaves nothing half-done, and can be told again without harm") {
  auto settings = settings_from_environment();
  settings.runtime = fake_runtime(R"sh(
for word; do case $word in
  create) flag() { while [ "$1" != --pid-file ]; do shift; done; echo "$2"; }
          file=$(flag "$@"); sleep 1000 & echo $! >"$file"; exit 0 ;;
  start) exit 1 ;;
esac; done)sh");
  Stage stage(settings);
  const auto spec = busybox({"true"});
  REQUIRE(stage.loop.run(host::combine_layers(stage.host, spec)));
  REQUIRE(stage.loop.run(host::create_container(stage.host, spec)));
  for (int i = 0; i < 2; ++i) {
    CHECK_FALSE(stage.loop.run(host::start_container(stage.host, spec, {false, i == 0, false})));
  }
  CHECK(stage.loop.run(host::stacks(stage.host)));
}

TEST_CASE("agent: an exec in a container that was not started yet runs, and the container can still be started") {
  Stage stage;
  const auto spec = busybox({"true"});
  REQUIRE(stage.loop.run(host::combine_layers(stage.host, spec)));
  REQUIRE(stage.loop.run(host::create_container(stage.host, spec)));
  auto exec =
      stage.loop.run(host::execute(stage.host, spec.id, command({"sh", "-c", "exit 7"}), {false, false, false}));
  REQUIRE_MESSAGE(exec, exec.error().message());
  const auto code = stage.loop.run((*exec)->wait());
  REQUIRE_MESSAGE(code, code.error().message());
  CHECK(*code == 7);
  REQUIRE(stage.loop.run(host::start_container(stage.host, spec, {false, false, false})));
  stage.remove(spec);
}

TEST_CASE("agent: an exit is reported although a grandchild goes on writing") {
  Stage stage;
  auto parent = stage.loop.run(host::execute_in_vm(
      stage.host, command({"/run/layers/busybox/bin/busybox", "sh", "-c", "yes & exit 3"}), {false, true, false}));
  REQUIRE_MESSAGE(parent, parent.error().message());
  auto waiting = stage.loop.start((*parent)->wait());
  std::vector<std::byte> buffer(1 << 16);
  while (!waiting.done()) {
    const auto n = stage.loop.run((*parent)->out->read_some(buffer));
    if (n && *n > 0) continue;
    (*parent)->out.reset();
    stage.loop.run_until([&] { return waiting.done(); });
  }
  CHECK(*waiting.value() == 3);
}

}  // namespace gcs::testing
