// What is left after many containers: nothing.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/agent/stage.h"

namespace gcs::testing {
namespace {

constexpr int kRounds = 200;

void live_and_die(Stage& stage, int round) {
  const auto spec = busybox({"sh", "-c", "trap 'exit 5' TERM; echo up; while :; do sleep 0.01; done"});
  auto init = stage.run(spec, {false, true, false});
  std::string up(3, ' ');
  REQUIRE(stage.loop.run(io::read_full(*init->out, std::as_writable_bytes(std::span(up)))));
  auto asked = command({"sh", "-c", "exit 7"});
  asked.terminal = round % 4 == 1;
  auto exec = stage.loop.run(host::execute(stage.host, spec.id, asked, host::Streams{round % 2 == 1, true, false}));
  REQUIRE_MESSAGE(exec, exec.error().message());
  (*exec)->in.reset();
  CHECK(stage.loop.run(io::read_full(*(*exec)->out, std::as_writable_bytes(std::span(up)))));  // it says nothing
  (*exec)->out.reset();
  CHECK(*stage.loop.run((*exec)->wait()) == 7);
  REQUIRE(stage.loop.run(host::shut_down(stage.host, spec.id, false)));
  init->out.reset();
  CHECK(*stage.loop.run(init->wait()) == 5);
  stage.remove(spec);
}

}  // namespace

TEST_CASE("agent: after 200 containers with an exec each, no descriptor, mount, cgroup, process or zombie is left") {
  Stage stage;
  live_and_die(stage, 0);  // what is made once and kept is there now
  const auto before = stage.holdings();
  for (int round = 1; round <= kRounds; ++round) live_and_die(stage, round);
  const auto after = stage.holdings();
  CHECK(after.descriptors == before.descriptors);
  CHECK(after.children == before.children);
  CHECK(after.mounts == before.mounts);
  CHECK(after.cgroups == before.cgroups);
}

}  // namespace gcs::testing
