// Processes on a terminal.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/agent/stage.h"

namespace gcs::testing {

TEST_CASE("agent: a process that closes its terminal is not hung up, and its exit code is its own") {
  Stage stage;
  const auto spec = busybox({"sleep", "1000"});
  const auto init = stage.run(spec);
  // Long enough for an agent that lets go of the terminal to do so.
  auto asked = command({"sh", "-c", "exec <&- >&- 2>&-; sleep 0.2; exit 7"});
  asked.terminal = true;
  for (const bool input : {false, true}) {
    CAPTURE(input);
    auto exec = stage.loop.run(host::execute(stage.host, spec.id, asked, host::Streams{input, true, false}));
    REQUIRE_MESSAGE(exec, exec.error().message());
    std::vector<std::byte> rest(100);
    CHECK(*stage.loop.run(io::read_full(*(*exec)->out, rest)) == 0);
    (*exec)->out.reset();
    CHECK(*stage.loop.run((*exec)->wait()) == 7);
  }
  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  stage.remove(spec);
}

TEST_CASE("agent: a process whose terminal the host closes is hung up") {
  Stage stage;
  const auto spec = busybox({"sleep", "1000"});
  const auto init = stage.run(spec);
  auto asked = command({"sh", "-c", "trap 'exit 9' HUP; while :; do sleep 0.05; done"});
  asked.terminal = true;
  auto exec = stage.loop.run(host::execute(stage.host, spec.id, asked, host::Streams{true, true, false}));
  REQUIRE_MESSAGE(exec, exec.error().message());
  (*exec)->in.reset();
  (*exec)->out.reset();
  const auto code = stage.loop.run((*exec)->wait());
  REQUIRE(code);
  CHECK((*code == 9 || *code == 129));  // the signal may come before the trap is set
  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  stage.remove(spec);
}

}  // namespace gcs::testing
