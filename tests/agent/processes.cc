// Processes of a container and of the VM: waits, signals, where they begin, what they leave, and what they have for
// streams that nobody has asked for.

#include <doctest/doctest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "tests/agent/stage.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using test::exists;
using test::get_file;

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// A process of the VM that runs until it is killed.
std::unique_ptr<host::Process> sleeper(Stage& stage) {
  auto process = stage.loop.run(
      host::execute_in_vm(stage.host, command({"/run/layers/busybox/bin/sleep", "1000"}), {false, false, false}));
  REQUIRE_MESSAGE(process, process.error().message());
  return std::move(*process);
}

std::string all_of(Stage& stage, io::Stream& stream) {
  std::string text(1000, ' ');
  const auto size = stage.loop.run(io::read_full(stream, std::as_writable_bytes(std::span(text))));
  REQUIRE_MESSAGE(size, size.error().message());
  return text.substr(0, *size);
}

}  // namespace

TEST_CASE("agent: a wait with a limit is told that the process runs on, one without gets the exit code") {
  Stage stage;
  const auto process = sleeper(stage);
  auto endless = stage.loop.start(process->wait());
  for (const uint32_t limit : {0u, 50u}) {
    CAPTURE(limit);
    const auto in_time = stage.loop.run(process->wait(limit));
    REQUIRE_FALSE(in_time);
    CHECK(in_time.error().code() == Errc::timed_out);  // 0xc0370109
  }
  CHECK_FALSE(endless.done());
  REQUIRE(stage.loop.run(process->signal(9)));
  stage.loop.run_until([&] { return endless.done(); });
  CHECK(*endless.value() == 0xffffffff);
  for (const uint32_t limit : {0u, 50u}) CHECK(*stage.loop.run(process->wait(limit)) == 0xffffffff);
}

TEST_CASE("agent: a number that is no signal is refused by the field's name, and sent to nobody") {
  Stage stage;
  const auto process = sleeper(stage);
  for (const int number : {65, -1, 1 << 30}) {
    CAPTURE(number);
    const auto sent = stage.loop.run(process->signal(number));
    REQUIRE_FALSE(sent);
    CHECK(sent.error().code() == Errc::invalid_argument);  // 0x80070057
    CHECK(has(sent.error().message(), "Options.Signal"));
  }
  CHECK(stage.loop.run(process->wait(0)).error().code() == Errc::timed_out);
  REQUIRE(stage.loop.run(process->signal(9)));
  CHECK(stage.loop.run(process->wait()));
}

TEST_CASE("agent: a working directory that the image has not is made in the container, whatever link is on the way") {
  Stage stage;
  const std::string layer = "/run/layers/linked";
  test::put_dir(layer);
  std::filesystem::create_directory_symlink("/etc", layer + "/link");
  const char* ways[][2] = {{"/a/b", "/a/b\n"}, {"/link/by-cwd", "/etc/by-cwd\n"}};
  for (const auto& way : ways) {
    CAPTURE(way[1]);
    auto spec = busybox({"pwd", "-P"});
    spec.layers.insert(spec.layers.begin(), layer);
    spec.command.cwd = way[0];
    const auto init = stage.run(spec, {false, true, false});
    CHECK(all_of(stage, *init->out) == way[1]);
    init->out.reset();
    stage.remove(spec);
  }
  CHECK_FALSE(exists("/a"));
  CHECK_FALSE(exists("/etc/by-cwd"));
  std::filesystem::remove_all(layer);
}

TEST_CASE("agent: what an init without a pid namespace of its own leaves behind is killed") {
  Stage stage;
  const auto spec = busybox({"sh", "-c", "sleep 1000 & echo $! >/left; exit 3"});
  nlohmann::json oci = host::oci_spec(spec);
  std::erase_if(oci["linux"]["namespaces"].get_ref<nlohmann::json::array_t&>(),
                [](const nlohmann::json& one) { return one["type"] == "pid"; });
  REQUIRE(stage.loop.run(host::combine_layers(stage.host, spec)));
  REQUIRE(stage.loop.run(host::create_container(stage.host, spec, oci)));
  const auto init = stage.loop.run(host::start_container(stage.host, spec, {false, false, false}));
  REQUIRE_MESSAGE(init, init.error().message());
  CHECK(*stage.loop.run((*init)->wait()) == 3);
  std::string left = get_file(spec.rootfs() + "/left");
  REQUIRE(left.ends_with("\n"));
  left.pop_back();
  stage.loop.look_until([&] { return !exists("/proc/" + left); });
  stage.remove(spec);
}

TEST_CASE("agent: streams that nobody has asked for are /dev/null for an exec, and closed pipes for an init") {
  Stage stage;
  const auto spec = busybox({"sh", "-c",
                             "read line && exit 1; trap '' PIPE; while echo x; do :; done 2>/why; touch /over; while "
                             ":; do sleep 1000; done"});
  const auto init = stage.run(spec);
  stage.loop.look_until([&] { return exists(spec.rootfs() + "/over"); });
  CHECK(has(get_file(spec.rootfs() + "/why"), "Broken pipe"));
  auto exec = stage.loop.run(host::execute(
      stage.host, spec.id,
      command({"sh", "-c", "said=$(for fd in 0 1 2; do readlink /proc/$$/fd/$fd; done); echo \"$said\" >/streams"}),
      {false, false, false}));
  REQUIRE_MESSAGE(exec, exec.error().message());
  CHECK(*stage.loop.run((*exec)->wait()) == 0);
  CHECK(get_file(spec.rootfs() + "/streams") == "/dev/null\n/dev/null\n/dev/null\n");
  CHECK(stage.loop.run(host::shut_down(stage.host, spec.id, true)));
  stage.remove(spec);
}

TEST_CASE("agent: what a container says last, after a Shutdown and in an outage, is with the host when it is back") {
  Stage stage;
  const auto spec = busybox({"sh", "-c",
                             "trap 'while [ ! -e /go ]; do sleep 0.01; done; echo last words; exit 4' TERM; echo up; "
                             "while :; do sleep 0.01; done"});
  const auto init = stage.run(spec, {false, true, false});
  std::string up(3, ' ');
  REQUIRE(stage.loop.run(io::read_full(*init->out, std::as_writable_bytes(std::span(up)))));
  REQUIRE(stage.loop.run(host::shut_down(stage.host, spec.id, false)));
  auto& client = stage.host.client();
  client.cut(host::Unread::take);
  stage.loop.run(client.lost());
  init->out.reset();
  test::put_file(spec.rootfs() + "/go", "");
  auto listener = host::StdioListener::open(stage.loop.engine(), stage.host.transport(), init->ports().out);
  REQUIRE_MESSAGE(listener, listener.error().message());
  REQUIRE(stage.loop.run(client.connect()));
  const auto out = stage.loop.run(listener->accept());
  REQUIRE_MESSAGE(out, out.error().message());
  CHECK(all_of(stage, **out).ends_with("last words\n"));
  (*out)->shut_down();
  CHECK(*stage.loop.run(init->wait()) == 4);
  stage.remove(spec);
}

}  // namespace gcs::testing
