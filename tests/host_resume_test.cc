// A host that goes on where another was killed: the state between them, and the successor's first steps.

#include <fcntl.h>
#include <sys/stat.h>

#include <nlohmann/json.hpp>

#include "tests/host/attachment.h"
#include "tests/host/call.h"
#include "tests/host/commands.h"
#include "tests/host/fake_service.h"
#include "tests/host/local_host.h"
#include "tests/host/options.h"
#include "tests/host/saved_state.h"

namespace gcs::testing {
namespace {

using host::Message;
using host::Process;
using host::SavedState;

constexpr io::Port kIn = 0x40000005;
constexpr io::Port kOut = 0x40000006;

SavedState example() {
  SavedState state;
  state.process = {"c1", 7, {kIn, kOut, 0}, 4};
  state.init = true;
  state.terminal = true;
  state.next_id = 6;
  state.next_port = kOut + 1;
  return state;
}

/// The example's text with one member changed; null takes it away.
std::string changed(const char* name, nlohmann::json value) {
  auto object = nlohmann::json::parse(host::to_text(example()));
  object[name] = std::move(value);
  return object.dump();
}

std::string complaint(const std::string& text) {
  const auto state = host::parse_saved_state(text);
  REQUIRE_FALSE(state);
  return state.error().message();
}

/// A successor that has negotiated, before it takes the example's process over.
struct Successor {
  Successor() : guest(loop, directory.transport()), host(loop.engine(), loop.clock(), directory.transport()) {
    auto connecting = loop.start(host.client().connect());
    loop.run(guest.dial());
    negotiated = loop.run(guest.negotiate()).id;
    loop.run_until([&connecting] { return connecting.done(); });
    REQUIRE(connecting.value());
    host.client().continue_from(example().next_id);
  }
  ~Successor() { loop.run(host.client().stop()); }

  /// Up to the answer to the probe.
  std::unique_ptr<Process> open(const std::string& answer) {
    auto opening = loop.start(Process::open_with_io(host, example().process));
    probe = loop.run(guest.next());
    loop.run(guest.answer(probe, answer));
    loop.run_until([&opening] { return opening.done(); });
    if (!opening.value()) {
      refusal = opening.value().error();
      return nullptr;
    }
    return std::move(*opening.value());
  }

  TempDir directory;
  Loop loop;
  FakeGuest guest;
  host::LocalHost host;
  int64_t negotiated = -1;
  Request probe;
  std::optional<Error> refusal;
};

constexpr const char* kNotYet = R"({"Result":-1070137079,"ErrorMessage":"timeout"})";

}  // namespace

TEST_CASE("saved state: what was written is read back") {
  const auto state = host::parse_saved_state(host::to_text(example()));
  REQUIRE(state);
  CHECK(state->process.container == "c1");
  CHECK(state->process.pid == 7);
  CHECK(state->process.ports.in == kIn);
  CHECK(state->process.ports.out == kOut);
  CHECK(state->process.ports.err == 0);
  CHECK(state->process.wait_id == 4);
  CHECK(state->init);
  CHECK_FALSE(state->keep);
  CHECK(state->terminal);
  CHECK(state->next_id == 6);
  CHECK(state->next_port == kOut + 1);
}

TEST_CASE("saved state: one that is cut short anywhere is refused, and says so once it can be told what it is") {
  const std::string whole = host::to_text(example());
  const size_t type_end = whole.find("\"Version\"");
  for (size_t length = 0; length + 1 < whole.size(); ++length) {
    const std::string text = complaint(whole.substr(0, length));
    if (length == 0) CHECK(text == "the state is empty");
    if (length >= type_end) CHECK(text == "the state is cut short, or damaged");
  }
}

TEST_CASE("saved state: a file that is something else is told from a damaged one") {
  for (const char* text : {"hello", "{}", "[1,2]", "null", R"({"Type":"other","Version":1})"}) {
    CHECK(complaint(text) == "this is not a state that gcs-host saved");
  }
}

TEST_CASE("saved state: a newer one is refused for its version, whatever else it has") {
  const auto state = host::parse_saved_state(R"({"Type":"gcs-host state","Version":2,"Processes":[]})");
  REQUIRE_FALSE(state);
  CHECK(state.error().code() == Errc::version);
  CHECK(state.error().message() == "the state is of version 2, newer than this gcs-host's 1");
  CHECK(complaint(changed("Version", 0)) == "Version is missing or out of its range");
  CHECK(complaint(changed("Version", "1")) == "Version is missing or out of its range");
}

TEST_CASE("saved state: each member is checked, and the one that is wrong is named") {
  const auto wrong = [](const char* name, nlohmann::json value) {
    CHECK(complaint(changed(name, std::move(value))) == std::string(name) + " is missing or out of its range");
  };
  for (const char* name : {"ContainerId", "Init", "Keep", "Terminal", "ProcessId", "StdIn", "StdOut", "StdErr",
                           "WaitCallId", "NextCallId", "NextPort"}) {
    wrong(name, nullptr);
    wrong(name, nlohmann::json::array());
  }
  wrong("ContainerId", "");
  wrong("ProcessId", 0);
  wrong("ProcessId", 1LL << 32);
  wrong("StdOut", -1);
  wrong("StdOut", 0x40000000);  // the bridge's
  wrong("StdErr", 1LL << 32);
  wrong("WaitCallId", 0);  // the negotiation's
  wrong("NextCallId", 4);  // the wait's
  wrong("NextPort", kOut);
}

TEST_CASE("saved state: a file is replaced as a whole, is its owner's alone, and survives a killed writer's remains") {
  TempDir directory;
  const std::string path = directory / "state";
  REQUIRE(io::write_file(path, "old, and longer than what comes", O_CREAT, 0644));
  REQUIRE(io::write_file(path + ".new", "half", O_CREAT, 0644));
  REQUIRE(host::save(path, example()));
  CHECK(*io::read_file(path) == host::to_text(example()));
  struct stat about {};
  REQUIRE(::stat(path.c_str(), &about) == 0);
  CHECK((about.st_mode & 0777) == 0600);
  CHECK(::stat((path + ".new").c_str(), &about) != 0);
  REQUIRE(host::load(path));
  REQUIRE(io::write_file(path, "{", O_TRUNC));
  CHECK(host::load(path).error().message().find(path) != std::string::npos);
  CHECK_FALSE(host::load(directory / "none"));
}

TEST_CASE("resume: the successor is a new host, probes with the saved ids, and then takes its predecessor's answer") {
  Successor successor;
  CHECK(successor.negotiated == 0);
  const auto process = successor.open(kNotYet);
  REQUIRE(process);
  CHECK(successor.probe.type == host::value(Message::wait_for_process));
  CHECK(successor.probe.id == 6);
  const auto body = nlohmann::json::parse(successor.probe.payload);
  CHECK(body["ContainerId"] == "c1");
  CHECK(body["ProcessId"] == 7);
  CHECK(body["TimeoutInMs"] == 50);
  CHECK(process->migration_state().wait_id == 4);

  auto waiting = successor.loop.start(process->wait());
  successor.loop.settle();
  CHECK_FALSE(waiting.done());
  successor.loop.run(successor.guest.send(host::response_to(successor.probe.type), 4, R"({"Result":0,"ExitCode":9})"));
  successor.loop.run_until([&waiting] { return waiting.done(); });
  REQUIRE(waiting.value());
  CHECK(*waiting.value() == 9);
}

TEST_CASE("resume: the streams' ports are open when the guest is asked, and bytes pass once it has dialled") {
  Successor successor;
  const auto process = successor.open(kNotYet);
  REQUIRE(process);
  CHECK(process->err == nullptr);
  std::array<std::byte, 8> buffer;
  auto reading = successor.loop.start(process->out->read_some(buffer));
  successor.loop.settle();
  CHECK_FALSE(reading.done());
  const auto out = successor.loop.run(successor.guest.dial_port(kOut));
  REQUIRE(successor.loop.run(io::write_all(*out, io::as_bytes("more"))));
  successor.loop.run_until([&reading] { return reading.done(); });
  CHECK(*reading.value() == 4);

  const auto in = successor.loop.run(successor.guest.dial_port(kIn));
  REQUIRE(successor.loop.run(io::write_all(*process->in, io::as_bytes("typed"))));
  process->in->shut_write();
  CHECK(*successor.loop.run(host::read_to_end(*in)) == "typed");
}

TEST_CASE("resume: an input that has ended before the guest dials is told to end all the same") {
  Successor successor;
  const auto process = successor.open(kNotYet);
  REQUIRE(process);
  host::Attachment attachment(successor.loop.engine(), successor.loop.clock(), *process, {});
  attachment.start();
  successor.loop.settle();
  const auto in = successor.loop.run(successor.guest.dial_port(kIn));
  CHECK(*successor.loop.run(host::read_to_end(*in)) == "");
  successor.loop.run(attachment.stop());
}

TEST_CASE("resume: an exit that the probe tells is the exit, and the predecessor's answer may still come") {
  Successor successor;
  const auto process = successor.open(R"({"Result":0,"ExitCode":3})");
  REQUIRE(process);
  CHECK(*successor.loop.run(process->wait()) == 3);
  successor.loop.run(successor.guest.send(host::response_to(successor.probe.type), 4, R"({"Result":0,"ExitCode":3})"));
  successor.loop.settle();
  CHECK_FALSE(successor.host.client().ended());
}

TEST_CASE("resume: a process that the guest does not know is an error, not a wait without end") {
  Successor successor;
  CHECK(successor.open(R"({"Result":-2147023728,"ErrorMessage":"no such process"})") == nullptr);
  REQUIRE(successor.refusal);
  CHECK(successor.refusal->message().find("no such process") != std::string::npos);
}

TEST_CASE("run --save: the file is there while the container runs, names it, and is gone with it") {
  TempDir directory;
  Loop loop;
  FakeService service(loop, directory.transport());
  host::LocalHost own(loop.engine(), loop.clock(), directory.transport());
  auto serving = loop.start(service.serve());
  REQUIRE(loop.run(own.client().connect()));
  host::Options options;
  options.command = "run";
  options.container.id = "c1";
  options.container.layers = {"/layer"};
  options.container.command.args = {"sleep"};
  options.save = directory / "state";
  const host::Caller caller;
  const auto start = [&] { return loop.start(host::run_container(own, options, caller)); };

  {
    auto running = start();
    loop.run_until([&] { return service.asked_for("WaitForProcess"); });
    const auto state = host::load(options.save);
    REQUIRE(state);
    CHECK(state->process.container == "c1");
    CHECK(state->process.pid == 100);
    CHECK(state->process.ports.out == 0x40000001);
    CHECK(state->process.ports.err == 0x40000002);
    CHECK(state->next_port == 0x40000003);
    CHECK(state->next_id == state->process.wait_id + 1);
    CHECK(state->init);
    REQUIRE(loop.run(host::request(own, Message::shutdown_graceful, {{"ContainerId", "c1"}})));
    loop.run_until([&running] { return running.done(); });
    CHECK(running.value());
    CHECK_FALSE(io::read_file(options.save));
  }
  SUBCASE("but it stays when the bridge is lost, for a successor") {
    options.container.id = "c2";
    auto running = start();
    loop.run_until([&] { return host::load(options.save).has_value(); });
    service.guest().vanish();
    loop.run_until([&running] { return running.done(); });
    CHECK_FALSE(running.value());
    CHECK(host::load(options.save));
  }
  loop.run(own.client().stop());
  loop.run(service.stop());
  loop.run_until([&serving] { return serving.done(); });
}

TEST_CASE("options: what is saved and resumed has a bridge of its own") {
  CHECK(host::parse_options({"run", "--layer", "/a", "--save", "/s", "sh"})->save == "/s");
  CHECK(host::parse_options({"exec", "--save=/s", "c1", "sh"})->save == "/s");
  CHECK(host::parse_options({"uvm", "--save", "/s", "sh"})->save == "/s");
  const auto resume = host::parse_options({"-transport", "vsock", "resume", "/s"});
  REQUIRE(resume);
  CHECK(resume->command == "resume");
  CHECK(resume->save == "/s");
  for (const auto& line : std::vector<std::vector<std::string>>{{"resume"},
                                                                {"resume", "a", "b"},
                                                                {"resume", "-i", "a"},
                                                                {"run", "--layer", "/a", "--save"},
                                                                {"-socket", "/c", "resume", "a"},
                                                                {"-socket", "/c", "uvm", "--save", "a", "sh"},
                                                                {"ps", "--save", "a", "c1"}}) {
    CHECK_FALSE(host::parse_options(line));
  }
}

}  // namespace gcs::testing
