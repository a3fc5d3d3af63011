// What the driver of QEMU makes of documents, of events, and of a QEMU that does not do what it should.

#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <csignal>
#include <nlohmann/json.hpp>

#include "tests/host/json_value.h"
#include "tests/migration/qemu_vm.h"
#include "tests/support/loop.h"
#include "tests/support/temp_dir.h"

namespace gcs::testing {
namespace {

using namespace migration;
using namespace std::chrono_literals;
using host::json;

QemuConfig full_config() {
  QemuConfig config;
  config.machine = "microvm,pic=off";
  config.memory_mib = 256;
  config.memory_file = "/dev/shm/a,b";
  config.kernel = "/k";
  config.initrd = "/i";
  config.append = "console=ttyS0 quiet";
  config.vsock_device = "vhost-vsock-device";
  config.vsock_cid = 3;
  config.arguments = {"-cpu", "max"};
  return config;
}

bool has(const std::vector<std::string>& words, const std::string& option, const std::string& value) {
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] == option && words[i + 1] == value) return true;
  }
  return false;
}

TEST_CASE("qemu config: a document says all of a VM") {
  const auto read = from_document(to_document(full_config()));
  REQUIRE(read);
  CHECK(*read == full_config());
  const auto least = from_document(to_document(QemuConfig()));
  REQUIRE(least);
  CHECK(*least == QemuConfig());
}

TEST_CASE("qemu config: what is no document of ours is refused") {
  const json good = json::parse(to_document(full_config()));
  CHECK(from_document(good.dump()));
  const std::pair<const char*, json> rows[] = {{"Type", "hcs"},
                                               {"Type", nullptr},
                                               {"Version", 2},
                                               {"Version", "1"},
                                               {"Machine", ""},
                                               {"Machine", 5},
                                               {"MemoryMib", 0},
                                               {"MemoryMib", -1},
                                               {"MemoryMib", (1 << 20) + 1},
                                               {"MemoryFile", json::array()},
                                               {"Kernel", std::string("a\0b", 3)},
                                               {"Vsock", json::object()},
                                               {"Vsock", {{"Device", "d"}, {"Cid", 2}}},
                                               {"Vsock", {{"Device", "d"}, {"Cid", 0xfffffffe}}},
                                               {"Vsock", {{"Device", ""}, {"Cid", 3}}},
                                               {"Arguments", "-cpu"},
                                               {"Arguments", {"-smp", 1}}};
  for (const auto& [member, value] : rows) {
    json document = good;
    document[member] = value;
    CAPTURE(document.dump());
    const auto read = from_document(document.dump());
    REQUIRE_FALSE(read);
    CHECK(read.error().code() == Errc::invalid_argument);
  }
  for (const char* text : {"", "[]", "{\"Type\":\"qemu\"", "null"}) CHECK_FALSE(from_document(text));
}

TEST_CASE("qemu config: a member that is not known is passed over") {
  json document = json::parse(to_document(full_config()));
  document["Colour"] = "green";
  const auto read = from_document(document.dump());
  REQUIRE(read);
  CHECK(*read == full_config());
}

TEST_CASE("qemu config: the successor is the same VM with the next cid") {
  QemuConfig expected = full_config();
  expected.vsock_cid = 4;
  CHECK(successor(full_config()) == expected);
  CHECK(successor(QemuConfig()) == QemuConfig());
}

TEST_CASE("qemu config: both sides get the same command line, but for the wait of the destination") {
  QemuPlace place;
  place.console = "/tmp/out,put";
  const auto source = command_line(full_config(), place, false);
  auto destination = command_line(full_config(), place, true);
  CHECK(source[0] == place.binary);
  CHECK(has(source, "-M", "microvm,pic=off,memory-backend=microvm.ram"));
  CHECK(has(source, "-m", "256M"));
  CHECK(has(source, "-object",
            "memory-backend-file,id=microvm.ram,size=256M,mem-path=/dev/shm/a,,b,share=on,"
            "x-use-canonical-path-for-ramblock-id=off"));
  CHECK(has(source, "-chardev", "file,id=console,path=/tmp/out,,put"));
  CHECK(has(source, "-kernel", "/k"));
  CHECK(has(source, "-initrd", "/i"));
  CHECK(has(source, "-append", "console=ttyS0 quiet"));
  CHECK(has(source, "-device", "vhost-vsock-device,guest-cid=3"));
  CHECK(has(source, "-cpu", "max"));
  REQUIRE(destination.size() == source.size() + 3);
  CHECK(has(destination, "-incoming", "defer"));
  CHECK(destination[source.size()] == "-S");
  destination.resize(source.size());
  CHECK(destination == source);
}

std::string to_text(const std::vector<VmEvent>& events) {
  std::string text;
  for (const VmEvent& event : events) {
    text += (text.empty() ? "" : ", ") + Phase_Name(event.phase).substr(6);
    if (event.state != PHASE_STATE_SUCCESS) text += " " + PhaseState_Name(event.state).substr(12);
    if (event.blackout) text += " " + std::to_string(event.blackout->count());
  }
  return text;
}

/// One event of QEMU's, or a call of the driver's, and what it leads to; times count up by 10 ms a row.
struct Step {
  std::string_view event;  ///< with a MIGRATION's status behind it
  const char* expected;
};

void play(Side side, const std::vector<Step>& steps) {
  QemuPhases phases;
  phases.begin(side);
  QemuPhases::Time now{};
  for (const Step& step : steps) {
    CAPTURE(step.event);
    now += 10ms;
    const size_t space = step.event.find(' ');
    const std::string_view status = space == std::string_view::npos ? "" : step.event.substr(space + 1);
    std::vector<VmEvent> events;
    if (step.event == "(resumed)") {
      events = phases.resumed(now);
    } else if (step.event == "(failed)") {
      events = phases.failed(now);
    } else if (step.event == "(not resumed)") {
      events = phases.recovery_failed(now);
    } else if (step.event == "(cancel)") {
      phases.expect_cancellation();
    } else {
      events = phases.take(step.event.substr(0, space), status, now);
    }
    CHECK(to_text(events) == step.expected);
    for (const VmEvent& event : events) CHECK(event.when == now);
  }
}

TEST_CASE("qemu phases: a source that hands its VM over") {
  play(Side::source, {{"MIGRATION setup", ""},
                      {"MIGRATION_PASS", ""},
                      {"MIGRATION active", "SETUP_DONE, TRANSFER_IN_PROGRESS"},
                      {"MIGRATION active", ""},
                      {"STOP", "BLACKOUT_STARTED"},
                      {"MIGRATION device", ""},
                      {"MIGRATION completed", "OFFLINE_DONE, DONE"},
                      {"SHUTDOWN", ""},
                      {"(failed)", ""}});
}

TEST_CASE("qemu phases: a source that takes its VM back says how long it stood still") {
  play(Side::source, {{"MIGRATION active", "SETUP_DONE, TRANSFER_IN_PROGRESS"},
                      {"STOP", "BLACKOUT_STARTED"},
                      {"MIGRATION completed", "OFFLINE_DONE, DONE"},
                      {"RESUME", "BLACKOUT_EXITED 20"},
                      {"(resumed)", "RECOVERY_DONE"},
                      {"STOP", ""},
                      {"RESUME", ""},
                      {"(resumed)", ""}});
}

TEST_CASE("qemu phases: a source that fails, before its blackout and within") {
  play(Side::source, {{"MIGRATION active", "SETUP_DONE, TRANSFER_IN_PROGRESS"},
                      {"MIGRATION failed", "FAILED SOURCE_FAILED"},
                      {"MIGRATION failed", ""},
                      {"(failed)", ""},
                      {"(resumed)", "RECOVERY_DONE"}});
  play(Side::source, {{"MIGRATION active", "SETUP_DONE, TRANSFER_IN_PROGRESS"},
                      {"STOP", "BLACKOUT_STARTED"},
                      {"MIGRATION failed", "FAILED SOURCE_FAILED"},
                      {"RESUME", "BLACKOUT_EXITED 20"},
                      {"(not resumed)", "FAILED RECOVERY_FAILED"}});
  play(Side::source, {{"MIGRATION setup", ""}, {"(failed)", "FAILED SOURCE_FAILED"}, {"MIGRATION failed", ""}});
}

TEST_CASE("qemu phases: a source that is cancelled") {
  play(Side::source, {{"MIGRATION active", "SETUP_DONE, TRANSFER_IN_PROGRESS"},
                      {"MIGRATION cancelling", ""},
                      {"MIGRATION cancelled", "FAILED CANCELLED"},
                      {"(resumed)", "RECOVERY_DONE"}});
  play(Side::source, {{"(cancel)", ""}, {"(failed)", "FAILED CANCELLED"}});
  play(Side::source, {{"MIGRATION active", "SETUP_DONE, TRANSFER_IN_PROGRESS"},
                      {"(cancel)", ""},
                      {"MIGRATION completed", "OFFLINE_DONE, DONE"}});
}

TEST_CASE("qemu phases: a destination that takes a VM") {
  play(Side::destination, {{"MIGRATION setup", ""},
                           {"MIGRATION active", "SETUP_DONE, TRANSFER_IN_PROGRESS"},
                           {"STOP", ""},
                           {"MIGRATION completed", "BLACKOUT_STARTED, OFFLINE_DONE"},
                           {"NIC_RX_FILTER_CHANGED", ""},
                           {"RESUME", "BLACKOUT_EXITED 20"},
                           {"(resumed)", "DONE"},
                           {"RESUME", ""}});
}

TEST_CASE("qemu phases: a destination that fails, is lost, or is cancelled") {
  play(Side::destination, {{"MIGRATION active", "SETUP_DONE, TRANSFER_IN_PROGRESS"},
                           {"MIGRATION failed", "FAILED DESTINATION_FAILED"},
                           {"(failed)", ""}});
  play(Side::destination, {{"(failed)", "FAILED DESTINATION_FAILED"}});
  play(Side::destination, {{"(cancel)", ""}, {"MIGRATION failed", "FAILED CANCELLED"}, {"(failed)", ""}});
}

TEST_CASE("qemu phases: without a transfer a VM's stops and starts are its own business") {
  QemuPhases phases;
  CHECK(phases.take("STOP", "", {}).empty());
  CHECK(phases.take("RESUME", "", {}).empty());
  CHECK(phases.take("MIGRATION", "completed", {}).empty());
  CHECK(phases.failed({}).empty());
  CHECK(phases.resumed({}).empty());
  CHECK(phases.recovery_failed({}).empty());
}

TEST_CASE("qemu phases: a wall clock that was set back makes no negative blackout") {
  QemuPhases phases;
  phases.begin(Side::destination);
  phases.take("MIGRATION", "completed", QemuPhases::Time(5s));
  const auto events = phases.take("RESUME", "", QemuPhases::Time(2s));
  REQUIRE(events.size() == 1);
  CHECK(events[0].blackout == 0ms);
}

TEST_CASE("qemu vm: QEMU's words for a state") {
  using State = VmProperties::State;
  const std::pair<const char*, State> rows[] = {
      {"running", State::running},       {"inmigrate", State::migrating}, {"finish-migrate", State::migrating},
      {"paused", State::paused},         {"postmigrate", State::paused},  {"prelaunch", State::paused},
      {"guest-panicked", State::paused}, {"shutdown", State::paused},     {"io-error", State::paused}};
  for (const auto& [word, state] : rows) {
    CAPTURE(word);
    CHECK(vm_state(word) == state);
  }
}

TEST_CASE("qemu vm: progress is what query-migrate says of memory") {
  const Progress some = progress_of(json::parse(
      R"({"status":"active","ram":{"transferred":4119,"remaining":67637248,"mbps":8.5,"total":67641344}})"));
  CHECK(some.bytes == 4119);
  CHECK(some.remaining == 67637248);
  CHECK(some.rate == doctest::Approx(8.5e6 / 8));
  CHECK(progress_of(json::parse("{\"status\":\"setup\"}")).bytes == 0);
  CHECK(progress_of(json::object()).remaining == 0);
}

/// A program in QEMU's place: what it is told to say and do, by a shell with the monitor as descriptor 3.
struct Impostor {
  test::TempDir dir;
  Loop loop;
  QemuPlace place;
  std::unique_ptr<QemuVm> vm;

  explicit Impostor(const std::string& script) {
    place.binary = dir / "qemu";
    place.quit_limit = 100ms;
    test::put_file(place.binary, "#!/bin/bash\n" + script);
    REQUIRE(::chmod(place.binary.c_str(), 0755) == 0);
    vm = std::make_unique<QemuVm>(loop.engine(), loop.clock(), place);
  }
  ~Impostor() {
    const pid_t pid = vm->pid();
    CHECK(loop.run(vm->stop()));
    if (pid > 0) CHECK(::kill(pid, 0) != 0);
    CHECK(vm->pid() == -1);
    CHECK(::waitpid(-1, nullptr, WNOHANG) == -1);  // no child of ours is left
  }
  Result<> start() { return loop.run(vm->start(QemuConfig())); }
};

// One that greets and takes every command.
constexpr const char* kObliging = R"(
echo '{"QMP": {}}' >&3
while read -r line <&3; do
  id=${line##*\"id\":}
  id=${id%%[!0-9]*}
)";

TEST_CASE("qemu vm: a QEMU that is not there") {
  Impostor qemu("");
  QemuPlace place;
  place.binary = "/nowhere/qemu";
  QemuVm vm(qemu.loop.engine(), qemu.loop.clock(), place);
  const auto started = qemu.loop.run(vm.start(QemuConfig()));
  REQUIRE_FALSE(started);
  CHECK(started.error().code() == Errc::not_found);
  CHECK(vm.pid() == -1);
}

TEST_CASE("qemu vm: a QEMU that cannot start is known by the last line on its stderr") {
  Impostor qemu("echo 'a warning' >&2; echo 'qemu-system-x86_64: -device: no vhost' >&2; exit 1");
  for (int round = 0; round < 2; ++round) {
    const auto started = qemu.start();
    REQUIRE_FALSE(started);
    CHECK(started.error().message() == "-device: no vhost");
    CHECK(qemu.vm->pid() == -1);
  }
}

TEST_CASE("qemu vm: one that ends without a word is known by how it ended") {
  const std::pair<const char*, const char*> rows[] = {{"exit 7", "QEMU ended with status 7"},
                                                      {"kill -ABRT $$", "QEMU was ended by signal 6"}};
  for (const auto& [script, words] : rows) {
    Impostor qemu(script);
    const auto started = qemu.start();
    REQUIRE_FALSE(started);
    CHECK(started.error().message() == words);
  }
}

TEST_CASE("qemu vm: one that knows none of what is wanted is ended") {
  Impostor qemu(std::string(kObliging) + R"(
  case $line in
    *migrate-set*) echo '{"error":{"class":"GenericError","desc":"no such capability"},"id":'$id'}' >&3 ;;
    *quit*) exit ;;
    *) echo '{"return":{},"id":'$id'}' >&3 ;;
  esac
done)");
  const auto started = qemu.start();
  REQUIRE_FALSE(started);
  CHECK(started.error().message() == "migrate-set-capabilities: no such capability (GenericError)");
  CHECK(qemu.vm->pid() == -1);
}

TEST_CASE("qemu vm: one that talks nonsense is ended") {
  Impostor qemu("echo 'QEMU 7.2 monitor' >&3; trap '' TERM; while :; do sleep 1000; done");
  auto started = qemu.loop.start(qemu.vm->start(QemuConfig()));
  qemu.loop.run_until([&] { return started.done(); });
  CHECK_FALSE(started.value());
  CHECK(qemu.vm->pid() == -1);
}

TEST_CASE("qemu vm: one that will not quit is killed") {
  Impostor qemu(std::string(kObliging) + R"(
  case $line in
    *quit*) ;;
    *) echo '{"return":{},"id":'$id'}' >&3 ;;
  esac
done
exec sleep 1000)");
  REQUIRE(qemu.start());
  CHECK(qemu.vm->pid() > 0);
  CHECK(qemu.loop.run(qemu.vm->stop()));
  CHECK(qemu.vm->pid() == -1);
}

TEST_CASE("qemu vm: it can be stopped while it starts") {
  Impostor qemu("exec sleep 1000");
  auto started = qemu.loop.start(qemu.vm->start(QemuConfig()));
  qemu.loop.run_until([&] { return qemu.vm->pid() > 0; });
  CHECK(qemu.loop.run(qemu.vm->stop()));
  qemu.loop.run_until([&] { return started.done(); });
  CHECK_FALSE(started.value());
  CHECK(qemu.vm->pid() == -1);
}

TEST_CASE("qemu vm: two stops at once both return when it is gone") {
  Impostor qemu("exec sleep 1000");
  auto started = qemu.loop.start(qemu.vm->start(QemuConfig()));
  qemu.loop.run_until([&] { return qemu.vm->pid() > 0; });
  auto one = qemu.loop.start(qemu.vm->stop());
  auto two = qemu.loop.start(qemu.vm->stop());
  qemu.loop.run_until([&] { return one.done() && two.done() && started.done(); });
  CHECK(one.value());
  CHECK(two.value());
  CHECK(qemu.vm->pid() == -1);
}

TEST_CASE("qemu vm: a child starts with no descriptors of ours, no blocked signals and default handlers") {
  Impostor qemu(R"(
exec >&2
ls /proc/$$/fd >"$0.fds"  # not through a pipe: the shell would hold its ends for a moment
tr '\n' ' ' <"$0.fds"
grep -E 'SigBlk|SigIgn' /proc/$$/status | tr -s '\t\n' ' '
)");
  const io::Fd leak(::open("/dev/null", O_RDONLY));  // not close-on-exec
  sigset_t blocked;
  sigset_t before;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGUSR1);
  ::sigprocmask(SIG_BLOCK, &blocked, &before);
  const auto handler = ::signal(SIGUSR2, SIG_IGN);
  const auto started = qemu.start();
  ::signal(SIGUSR2, handler);
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  REQUIRE_FALSE(started);
  const std::string& said = started.error().message();
  CHECK(said.starts_with("0 1 2 255 3 SigBlk: "));  // 255 is bash's own, for the script
  const auto mask = [&said](const std::string& name) {
    return std::stoull(said.substr(said.find(name + ": ") + 8), nullptr, 16);
  };
  CHECK((mask("SigBlk") & 1u << (SIGUSR1 - 1)) == 0);
  CHECK((mask("SigIgn") & 1u << (SIGUSR2 - 1)) == 0);
}

TEST_CASE("qemu vm: what is not possible without a VM is refused, and what ends it is not") {
  Impostor qemu("");
  CHECK(qemu.loop.run(qemu.vm->transfer(io::Fd())).error().code() == Errc::wrong_state);
  CHECK(qemu.loop.run(qemu.vm->resume()).error().code() == Errc::wrong_state);
  CHECK(qemu.loop.run(qemu.vm->cancel()));
  CHECK(qemu.loop.run(qemu.vm->stop()));
  const auto properties = qemu.loop.run(qemu.vm->properties());
  REQUIRE(properties);
  CHECK(properties->state == VmProperties::State::none);
}

TEST_CASE("qemu vm: a destination whose shared memory is not there is refused, and none is made") {
  Impostor qemu("");
  QemuConfig config;
  config.memory_file = qemu.dir / "memory";
  CHECK(qemu.loop.run(qemu.vm->create(to_document(config))).error().code() == Errc::not_found);
  CHECK_FALSE(test::exists(config.memory_file));
  test::put_file(config.memory_file, "short");
  CHECK(qemu.loop.run(qemu.vm->create(to_document(config))).error().code() == Errc::invalid_argument);
  CHECK(qemu.loop.run(qemu.vm->create("{}")).error().code() == Errc::invalid_argument);
}

}  // namespace
}  // namespace gcs::testing
