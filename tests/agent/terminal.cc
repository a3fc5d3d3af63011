// Processes on a terminal.

#include <doctest/doctest.h>

#include <nlohmann/json.hpp>

#include "tests/agent/stage.h"

namespace gcs::testing {
namespace {

std::string read(Stage& stage, io::Stream& stream, size_t size) {
  std::string text(size, ' ');
  const auto got = stage.loop.run(io::read_full(stream, std::as_writable_bytes(std::span(text))));
  REQUIRE_MESSAGE(got, got.error().message());
  return text.substr(0, *got);
}

}  // namespace

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

TEST_CASE("agent: a terminal has the size that the host asks for, at first and later, in a container and in the VM") {
  Stage stage;
  const auto spec = busybox({"sleep", "1000"});
  const auto init = stage.run(spec);
  for (const bool in_vm : {false, true}) {
    CAPTURE(in_vm);
    const char* stty = in_vm ? "/run/layers/busybox/bin/stty" : "stty";
    auto asked = command({in_vm ? "/bin/sh" : "sh", "-c", "$0 size; read x; $0 size", stty});
    asked.terminal = true;
    asked.height = 45;
    asked.width = 123;
    const host::Streams streams{true, true, false};
    auto process = stage.loop.run(in_vm ? host::execute_in_vm(stage.host, asked, streams)
                                        : host::execute(stage.host, spec.id, asked, streams));
    REQUIRE_MESSAGE(process, process.error().message());
    CHECK(read(stage, *(*process)->out, 8) == "45 123\r\n");
    REQUIRE(stage.loop.run((*process)->resize(50, 80)));
    REQUIRE(stage.loop.run(io::write_all(*(*process)->in, io::as_bytes("\n"))));
    CHECK(read(stage, *(*process)->out, 100) == "\r\n50 80\r\n");
    (*process)->out.reset();
    CHECK(*stage.loop.run((*process)->wait()) == 0);
  }
  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  stage.remove(spec);
}

TEST_CASE("agent: a port for stderr beside a terminal is dialled, and ends with the process, without a byte") {
  Stage stage;
  const auto spec = busybox({"sleep", "1000"});
  const auto init = stage.run(spec);
  auto asked = command({"sh", "-c", "echo said >&2"});
  asked.terminal = true;
  auto exec = stage.loop.run(host::execute(stage.host, spec.id, asked, host::Streams{false, true, true}));
  REQUIRE_MESSAGE(exec, exec.error().message());
  CHECK(read(stage, *(*exec)->out, 100) == "said\r\n");
  (*exec)->out.reset();
  CHECK(read(stage, *(*exec)->err, 100).empty());
  (*exec)->err.reset();
  CHECK(*stage.loop.run((*exec)->wait()) == 0);
  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  stage.remove(spec);
}

}  // namespace gcs::testing
