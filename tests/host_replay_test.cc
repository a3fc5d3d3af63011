// Replaying recorded conversations: what counts as a difference, and that the real recordings can be played.

#include <algorithm>
#include <array>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/host/compare.h"
#include "tests/host/fake_guest.h"
#include "tests/host/replay.h"

namespace gcs::testing {
namespace {

using host::json;
using host::Message;
using host::Transcript;
using host::TranscriptEntry;
using What = TranscriptEntry::What;

constexpr int64_t kPidShift = 1000;

json object_of(const std::string& text) {
  auto value = host::parse_json(text);
  return value && value->is_object() ? std::move(*value) : json::object();
}

/// A guest that answers what was recorded, with pids of its own; `alter` may change an answer before it goes out.
class Scribe {
 public:
  Scribe(Loop& loop, io::TransportName transport) : guest_(loop, std::move(transport)) {}

  std::function<void(const TranscriptEntry&, json&)> alter = [](const TranscriptEntry&, json&) {};

  io::Task<> play(const Transcript& transcript) {
    co_await guest_.dial();
    if (!transcript.from_the_start()) co_await guest_.negotiate();
    for (size_t i = transcript.from_the_start() ? 1 : 0; i < transcript.entries.size(); ++i) {
      const TranscriptEntry& entry = transcript.entries[i];
      if (entry.what == What::connected) co_await guest_.dial();
      if (entry.what == What::closed) co_await expect_end();
      if (entry.what == What::request) co_await take(entry);
      if (entry.what == What::answer || entry.what == What::notification) co_await give(entry);
    }
  }

 private:
  io::Task<> expect_end() {
    const auto request = co_await guest_.next();
    CHECK(request.type == 0);
  }

  io::Task<> take(const TranscriptEntry& entry) {
    const auto request = co_await guest_.next();
    CHECK(request.type == entry.type);
    CHECK(request.id == entry.id);
    const json recorded = object_of(entry.payload);
    const json live = object_of(request.payload);
    const int64_t pid = host::number_of(recorded, "ProcessId");
    if (known_pids_.contains(pid)) CHECK(host::number_of(live, "ProcessId") == pid + kPidShift);
    if (entry.type == host::value(Message::execute_process)) requests_[entry.id] = live;
    for (const int64_t known : known_pids_) {
      if (joins(recorded, known)) CHECK(joins(live, known + kPidShift));
      CHECK_FALSE(joins(live, known));
    }
  }

  /// Whether a Create's document joins a namespace of this process.
  static bool joins(const json& create, int64_t pid) {
    return host::text_of(create, "ContainerConfig").find("/proc/" + std::to_string(pid) + "/ns/") != std::string::npos;
  }

  io::Task<> give(const TranscriptEntry& entry) {
    if (!entry.is_json) co_return co_await guest_.send(entry.type, entry.id, entry.payload);
    json body = object_of(entry.payload);
    const bool executed = requests_.contains(entry.id) && host::number_of(body, "Result") == 0;
    if (executed) {
      known_pids_.insert(host::number_of(body, "ProcessId"));
      body["ProcessId"] = host::number_of(body, "ProcessId") + kPidShift;
      co_await dial_streams(requests_[entry.id]);
    }
    if (entry.type == host::response_to(host::value(Message::wait_for_process))) co_await end_streams();
    if (host::member(body, "Properties") != nullptr) shift_pids(body);
    alter(entry, body);
    co_await guest_.send(entry.type, entry.id, host::to_text(body));
  }

  io::Task<> dial_streams(const json& request) {
    const json* settings = host::member(request, "Settings");
    const json* ports = settings != nullptr ? host::member(*settings, "VsockStdioRelaySettings") : nullptr;
    if (ports == nullptr) co_return;
    for (const char* name : {"StdIn", "StdOut", "StdErr"}) {
      const auto port = static_cast<io::Port>(host::number_of(*ports, name));
      if (port == 0) continue;
      auto stream = co_await guest_.dial_port(port);
      (std::string(name) == "StdIn" ? inputs_ : outputs_).push_back(std::move(stream));
    }
  }

  /// As processes that read a line before they end, and a guest that waits for the host's close.
  io::Task<> end_streams() {
    for (auto& stream : inputs_) {
      std::array<std::byte, 7> line{};
      const auto got = co_await io::read_full(*stream, line);
      CHECK(got.has_value());
    }
    for (auto& stream : outputs_) {
      stream->shut_write();
      std::byte one{};
      const auto got = co_await stream->read_some(std::span(&one, 1));
      CHECK(got.has_value());
    }
    inputs_.clear();
    outputs_.clear();
  }

  void shift_pids(json& body) const {
    json properties = object_of(host::text_of(body, "Properties"));
    if (!properties.contains("ProcessList")) return;
    for (json& entry : properties["ProcessList"]) entry["ProcessId"] = entry["ProcessId"].get<int64_t>() + kPidShift;
    body["Properties"] = host::to_text(properties);
  }

  FakeGuest guest_;
  std::map<int64_t, json> requests_;
  std::set<int64_t> known_pids_;
  std::vector<std::unique_ptr<io::Stream>> inputs_, outputs_;
};

Transcript corpus(const std::string& name) {
  auto transcript = host::read_transcript(std::string(GCS_CORPUS) + "/transcripts/" + name);
  if (!transcript) FAIL(transcript.error().message());
  return std::move(*transcript);
}

using Alter = std::function<void(const TranscriptEntry&, json&)>;

Result<std::vector<std::string>> replayed(const Transcript& transcript, const Alter& alter = {}) {
  TempDir directory;
  Loop loop;
  Scribe scribe(loop, directory.transport());
  if (alter) scribe.alter = alter;
  host::Replay replay(loop.engine(), loop.clock(), directory.transport());
  replay.set_limit(std::chrono::seconds(10));
  auto playing = loop.start(scribe.play(transcript));
  auto found = loop.run(replay.play(transcript));
  loop.run(replay.stop());
  loop.group().cancel();
  loop.run_until([&] { return playing.done(); });
  return found;
}

std::vector<std::string> between(uint32_t request, const char* recorded, const char* live) {
  return host::differences(request, json::parse(recorded), json::parse(live), {{100, 200}});
}

}  // namespace

TEST_CASE("replay: every recording plays to its end, and a guest that answers as recorded shows no difference") {
  size_t played = 0;
  for (const auto& file : std::filesystem::directory_iterator(std::string(GCS_CORPUS) + "/transcripts")) {
    const auto transcript = corpus(file.path().filename());
    INFO(transcript.name);
    const auto found = replayed(transcript);
    if (!found) FAIL(found.error().message());
    for (const std::string& line : *found) FAIL_CHECK(line);
    ++played;
  }
  CHECK(played >= 22);
}

TEST_CASE("replay: another exit code, result or notification type is a difference, named by its place") {
  const auto transcript = corpus("21_standalone_lifecycle.json");
  const auto exit_code = replayed(transcript, [](const TranscriptEntry& entry, json& body) {
    if (entry.id == 36) body["ExitCode"] = 41;
  });
  REQUIRE(exit_code);
  REQUIRE(exit_code->size() == 1);
  CHECK(exit_code->front() == "Response(WaitForProcess) id 36: ExitCode: recorded 42, live 41");

  const auto type = replayed(transcript, [](const TranscriptEntry& entry, json& body) {
    if (entry.what == What::notification) body["Type"] = "ForcedExit";
  });
  REQUIRE(type);
  CHECK(type->size() == 1);

  const auto result = replayed(transcript, [](const TranscriptEntry& entry, json& body) {
    if (entry.id == 37) body["Result"] = -2147467259;
  });
  REQUIRE(result);
  REQUIRE(result->size() == 1);
  CHECK(result->front().find("live HrFail") != std::string::npos);
}

TEST_CASE("replay: a guest that breaks a rule of the host ends it with that rule") {
  const auto found =
      replayed(corpus("04_dump_stacks.json"), [](const TranscriptEntry&, json& body) { body["ActivityId"] = ""; });
  REQUIRE_FALSE(found);
  CHECK(found.error().message().find("host rule 5") != std::string::npos);
}

TEST_CASE("replay: a recorded outage is played: dropped, taken back as the same host, and the owed answer comes then") {
  Transcript transcript;
  transcript.name = "outage";
  const auto add = [&](What what, uint32_t type, int64_t id, const char* payload) {
    transcript.entries.push_back({what, type, id, payload, true, host::name_of(type)});
  };
  const uint32_t execute = host::value(Message::execute_process);
  const uint32_t wait = host::value(Message::wait_for_process);
  const uint32_t negotiate = host::value(Message::negotiate_protocol);
  add(What::request, execute, 5,
      R"({"Settings":{"ProcessParameters":"{\"CreateStdOutPipe\":true}","VsockStdioRelaySettings":{"StdOut":7}}})");
  add(What::answer, host::response_to(execute), 5, R"({"Result":0,"ProcessId":9})");
  add(What::request, wait, 6, R"({"ProcessId":9,"TimeoutInMs":4294967295})");
  add(What::dropped, 0, 0, "");
  add(What::closed, 0, 0, "");
  add(What::connected, 0, 0, "");
  add(What::request, negotiate, 7, R"({"MinimumVersion":4,"MaximumVersion":4})");
  add(What::answer, host::response_to(negotiate), 7, R"({"Result":0,"Version":4})");
  add(What::answer, host::response_to(wait), 6, R"({"Result":0,"ExitCode":21})");
  const auto found = replayed(transcript);
  if (!found) FAIL(found.error().message());
  CHECK(found->empty());
}

TEST_CASE("compare: wording, source places and stacks are free, their form is not") {
  const uint32_t stacks = host::value(Message::dump_stacks);
  CHECK(between(stacks, R"({"Result":-1,"ErrorMessage":"a","ErrorRecords":[{"Line":3,"StackTrace":"x"}]})",
                R"({"Result":-1,"ErrorMessage":"b","ErrorRecords":[{"Line":4294967295}]})")
            .empty());
  CHECK(between(stacks, R"({"GuestStacks":"a"})", R"({"GuestStacks":"b"})").empty());
  CHECK(between(stacks, R"({"Result":-1,"ErrorRecords":[{}]})", R"({"Result":-1})").size() == 1);
  CHECK(between(stacks, R"({"Result":-1,"ErrorRecords":[{"ModuleName":"gcs"}]})",
                R"({"Result":-1,"ErrorRecords":[{"ModuleName":"x"}]})")
            .size() == 1);
  CHECK(between(stacks, R"({"ActivityId":"a"})", R"({})").size() == 1);
  CHECK(between(stacks, R"({})", R"({"Extra":1})").size() == 1);
}

TEST_CASE("compare: a code that says what was meant is as good, another is not") {
  CHECK(between(host::value(Message::create), R"({"Result":-2147467259})", R"({"Result":-2143878907})").empty());
  CHECK(between(host::value(Message::create), R"({"Result":-2147467259})", R"({"Result":0})").size() == 1);
  CHECK(between(host::value(Message::start), R"({"Result":-2147467259})", R"({"Result":-2143878907})").size() == 1);
}

TEST_CASE("compare: a pid is the live one that stands for the recorded one") {
  const uint32_t execute = host::value(Message::execute_process);
  CHECK(between(execute, R"({"ProcessId":100})", R"({"ProcessId":200})").empty());
  CHECK(between(execute, R"({"ProcessId":100})", R"({"ProcessId":100})").size() == 1);
  CHECK(between(execute, R"({"ProcessId":5})", R"({"ProcessId":9})").empty());
  CHECK(between(execute, R"({"ProcessId":5})", R"({"ProcessId":0})").size() == 1);
  const uint32_t properties = host::value(Message::get_properties);
  CHECK(between(properties, R"({"Properties":"{\"ProcessList\":[{\"ProcessId\":100},{\"ProcessId\":7}]}"})",
                R"({"Properties":"{\"ProcessList\":[{\"ProcessId\":200}]}"})")
            .empty());
  CHECK(between(properties, R"({"Properties":"{\"ProcessList\":[{\"ProcessId\":100}]}"})",
                R"({"Properties":"{\"ProcessList\":[{\"ProcessId\":3}]}"})")
            .size() == 1);
}

TEST_CASE("compare: statistics have the recorded objects, with any figures in them") {
  const uint32_t properties = host::value(Message::get_properties);
  const auto stats = [](const std::string& inner) {
    json body = json::object();
    body["Properties"] = R"({"LCOWMetrics":)" + inner + "}";
    return host::to_text(body);
  };
  const std::string recorded = stats(R"({"pids":{"current":3},"memory":{"usage":{"limit":1}},"blkio":{}})");
  const auto with = [&](const std::string& live) {
    return between(properties, recorded.c_str(), stats(live).c_str()).size();
  };
  CHECK(with(R"({"pids":{"limit":9},"memory":{"rss":4,"usage":{}},"rdma":{}})") == 0);
  CHECK(with(R"({"pids":{},"memory":{}})") == 1);
  CHECK(with(R"({"pids":{"current":"3"},"memory":{"usage":{}}})") == 1);
  CHECK(with(R"({"pids":{},"memory":{"usage":{}},"cpu":{}})") == 1);
}

}  // namespace gcs::testing
