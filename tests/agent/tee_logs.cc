// Tee logs of containers, through outages.

#include <doctest/doctest.h>

#include "tests/agent/pod_scene.h"
#include "tests/host/stream_end.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

struct Taken final : host::StreamUser {
  void took(std::string_view bytes) override { text += bytes; }
  void parted(host::Parting how, size_t) override { finished = how == host::Parting::finished; }
  std::string text;
  bool finished = false;
};

std::string count_to(int last) {
  std::string text;
  for (int i = 1; i <= last; ++i) text += std::to_string(i) + "\n";
  return text;
}

}  // namespace

TEST_CASE("tee log: it holds every byte once, in order, through outages that the host sees doubled bytes of") {
  Stage stage;
  Member box = sandbox({"sleep", "1000"});
  REQUIRE(create(stage, box).empty());
  const auto init = start(stage, box, {false, false, false});
  constexpr int kLast = 200'000;
  Member member = workload(box, {"sh", "-c", "seq " + std::to_string(kLast)});
  member.annotate("io.microsoft.container.lcow.tee-log-path", "a/b.log");
  member.annotate("io.microsoft.container.lcow.tee-log-dir-mount", "/logs");
  REQUIRE(create(stage, member).empty());
  auto process = start(stage, member, {false, true, false});
  Taken taken;
  host::StreamEnd out(stage.host.engine(), stage.host.clock(), stage.host.transport(), process->ports().out,
                      std::move(process->out), taken);
  out.set_pace(std::chrono::milliseconds(1));
  auto running = stage.loop.start(out.run());
  for (int outage = 0; outage < 5; ++outage) {
    const size_t before = taken.text.size();
    stage.loop.run_until([&] { return taken.text.size() > before + 20'000 || taken.finished; });
    if (taken.finished) break;
    stage.host.client().cut(host::Unread::leave);
    out.cut(host::Unread::leave);
    stage.loop.run(stage.host.client().lost());
    stage.loop.run(out.away());
    REQUIRE(out.reopen());
    const auto again = stage.loop.run(stage.host.client().connect());
    REQUIRE_MESSAGE(again, again.error().message());
    REQUIRE(stage.loop.run(host::process_ids(stage.host, member.id)));  // names the container, so that it is dialled
    stage.loop.run_until([&] { return out.is_connected() || taken.finished; });
  }
  out.set_pace(std::chrono::milliseconds(0));
  stage.loop.run_until([&] { return taken.finished; });
  stage.loop.run(out.stop());
  stage.loop.run_until([&] { return running.done(); });
  CHECK(*stage.loop.run(process->wait()) == 0);
  CHECK(test::get_file(box.bundle + "/logs/a/b.log") == count_to(kLast));
  CHECK(taken.text.size() >= count_to(kLast).size());
  remove(stage, member, true);
  remove(stage, box);
}

TEST_CASE("tee log: both outputs are in it, and the container sees the logs where the host has put them") {
  Stage stage;
  Member box = sandbox({"sleep", "1000"});
  REQUIRE(create(stage, box).empty());
  const auto init = start(stage, box, {false, false, false});
  Member member =
      workload(box, {"sh", "-c", "echo one; echo two >&2; until [ $(wc -l </logs/log) = 2 ]; do :; done; echo seen"});
  member.annotate("io.microsoft.container.lcow.tee-log-path", "log");
  member.annotate("io.microsoft.container.lcow.tee-log-dir-mount", "/logs");
  REQUIRE(create(stage, member).empty());
  auto process = start(stage, member, {false, true, true});
  CHECK(output_of(stage, *process) == "one\nseen\n");
  process->err.reset();
  CHECK(stage.loop.run(process->wait()));
  const std::string log = test::get_file(box.bundle + "/logs/log");
  CHECK(log.find("one\n") != std::string::npos);
  CHECK(log.find("two\n") != std::string::npos);
  remove(stage, member, true);
  remove(stage, box);
}

}  // namespace gcs::testing
