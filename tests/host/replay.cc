#include "tests/host/replay.h"

#include <algorithm>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "stdio/io/clock.h"
#include "stdio/io/deadline.h"
#include "tests/host/attachment.h"
#include "tests/host/call.h"
#include "tests/host/stdio_listener.h"

namespace gcs::host {
namespace {

using What = TranscriptEntry::What;

// The real client ends its JSON in a newline; the recorder's own requests, told by their ids, do not.
constexpr int64_t kFirstInjectedId = int64_t{1} << 40;

// Requests that were not recorded.
constexpr int64_t kFirstRepeatedId = int64_t{1} << 41;
constexpr std::chrono::milliseconds kShutdownPause{500};

constexpr std::string_view kInput = "replay\n";
constexpr std::string_view kTerminalInput = "replay\nreplay\nreplay\n\x04";

struct StreamName {
  const char* flag;
  const char* port;
  bool input;
};

constexpr StreamName kStreams[] = {
    {"CreateStdInPipe", "StdIn", true}, {"CreateStdOutPipe", "StdOut", false}, {"CreateStdErrPipe", "StdErr", false}};

bool flag_of(const json& object, std::string_view name) {
  const json* value = member(object, name);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

json inner_json(const json& object, std::string_view name) {
  auto inner = parse_json(text_of(object, name));
  return inner && inner->is_object() ? std::move(*inner) : json::object();
}

/// A workload joins the namespaces of its sandbox, whose pid is another one now. False where nothing was to change.
bool join_live(json& spec, const NumberMap& pids) {
  constexpr std::string_view kProc = "/proc/";
  const json* linux_part = member(spec, "linux");
  const json* namespaces = linux_part != nullptr ? member(*linux_part, "namespaces") : nullptr;
  if (namespaces == nullptr || !namespaces->is_array()) return false;
  json live = *namespaces;
  for (json& entry : live) {
    const std::string path = text_of(entry, "path");
    const size_t rest = path.find('/', kProc.size());
    if (!path.starts_with(kProc) || rest == std::string::npos) continue;
    const auto known = pids.find(std::strtoll(path.c_str() + kProc.size(), nullptr, 10));
    if (known != pids.end()) entry["path"] = std::string(kProc) + std::to_string(known->second) + path.substr(rest);
  }
  if (live == *namespaces) return false;
  spec["linux"]["namespaces"] = std::move(live);
  return true;
}

}  // namespace

/// A process of the transcript, while its exit is not yet known.
struct Replay::Process {
  explicit Process(io::Executor executor) : changed(executor, "stdin connection") {}

  std::string container;
  std::vector<io::Port> outputs;
  io::Port input_port = 0;
  std::unique_ptr<io::Stream> input;
  bool terminal = false;
  io::Condition changed;

  /// Reads an output to its end and closes it, which lets the guest report the exit.
  static io::Task<> drain(StdioListener listener);
  static io::Task<> take_input(StdioListener listener, std::shared_ptr<Process> process);
};

io::Task<> Replay::Process::drain(StdioListener listener) {
  const auto stream = co_await listener.accept();
  if (!stream) co_return;
  const auto text = co_await read_to_end(**stream);
  discard(text, "transcripts do not hold what processes wrote");
}

io::Task<> Replay::Process::take_input(StdioListener listener, std::shared_ptr<Process> process) {
  auto stream = co_await listener.accept();
  if (!stream) co_return;
  process->input = std::move(*stream);
  process->changed.notify_all();
}

Replay::Replay(io::Engine& engine, io::Clock& clock, io::TransportName transport)
    : engine_(engine), clock_(clock), transport_(std::move(transport)), group_(engine.executor()) {}

Replay::~Replay() = default;

io::Task<> Replay::stop() {
  forget();
  if (client_) co_await client_->stop();
  group_.cancel();
  co_await group_.join();
  client_.reset();
}

void Replay::forget() {
  calls_.clear();
  starting_.clear();
  running_.clear();
  waits_.clear();
  terminals_.clear();
  pids_.clear();
  found_.clear();
}

io::Task<Result<std::vector<std::string>>> Replay::play(const Transcript& transcript) {
  forget();
  const bool whole = transcript.from_the_start();
  if (whole || !client_ || !client_->connected()) {
    const auto fresh = co_await fresh_client();
    if (!fresh) co_return fresh.error();
  }
  if (!whole && !negotiated_) {
    const auto negotiated = co_await in_time("negotiate", client_->negotiate());
    if (!negotiated) co_return negotiated.error();
    negotiated_ = true;
  }
  for (size_t i = whole ? 1 : 0; i < transcript.entries.size(); ++i) {
    const TranscriptEntry& entry = transcript.entries[i];
    const auto done = co_await step(entry);
    if (!done) co_return done.error().within("entry " + std::to_string(i) + ", " + entry.label);
  }
  for (const auto& [id, call] : calls_) found_.push_back("no answer was recorded to id " + std::to_string(id));
  co_return found_;
}

io::Task<Result<>> Replay::step(const TranscriptEntry& entry) {
  switch (entry.what) {
    case What::request: return request(entry);
    case What::answer: return answer(entry);
    case What::notification: return notification(entry);
    default: return event(entry);
  }
}

io::Task<Result<>> Replay::event(const TranscriptEntry& entry) {
  if (entry.what == What::connected) co_return co_await accept();
  if (entry.what == What::dropped) {
    co_await client_->flushed();
    drop();
  }
  if (entry.what == What::closed) co_await client_->lost();
  co_return Result<>();
}

io::Task<Result<>> Replay::request(const TranscriptEntry& entry) {
  std::string payload = entry.payload;
  if (entry.is_json) {
    auto body = parse_json(payload);
    if (!body) co_return Error(Errc::malformed, "the recorded body is no JSON");
    const auto prepared = prepare(entry, *body);
    if (!prepared) co_return prepared.error();
    payload = to_text(*body);
    if (entry.id < kFirstInjectedId) payload += '\n';
  }
  if (entry.type == value(Message::negotiate_protocol)) negotiated_ = true;
  if (entry.type == value(Message::shutdown_graceful)) group_.spawn("shutdown again", ask_again(payload));
  calls_[entry.id] = client_->send(entry.type, entry.id, std::move(payload));
  co_return Result<>();
}

io::Task<Result<>> Replay::answer(const TranscriptEntry& entry) {
  const auto found = calls_.find(entry.id);
  if (found == calls_.end()) co_return Error(Errc::malformed, "an answer to what was not asked");
  const std::shared_ptr<Call> call = found->second;
  calls_.erase(found);
  const auto waited_for = waits_.find(entry.id);
  if (waited_for != waits_.end() && running_.contains(waited_for->second)) {
    group_.spawn("stdin", feed(running_[waited_for->second]));
  }
  const auto live = co_await in_time(entry.label, client_->answer(call));
  if (!live) co_return live.error();
  if (call->answer_type != entry.type) {
    found_.push_back(entry.label + ": the type is " + name_of(call->answer_type) + "'s");
  }
  const auto recorded = parse_json(entry.payload);
  const auto starting = starting_.find(entry.id);
  if (recorded && starting != starting_.end() && number_of(*live, "Result") == 0) {
    running_[number_of(*recorded, "ProcessId")] = starting->second;
    pids_[number_of(*recorded, "ProcessId")] = number_of(*live, "ProcessId");
  }
  compare(entry, call->type, *live);
  if (waited_for != waits_.end() && number_of(*live, "Result") == 0) running_.erase(waited_for->second);
  co_return Result<>();
}

io::Task<Result<>> Replay::notification(const TranscriptEntry& entry) {
  const auto recorded = parse_json(entry.payload);
  if (!recorded) co_return Error(Errc::malformed, "the recorded body is no JSON");
  const auto live = co_await in_time(entry.label, client_->exited(text_of(*recorded, "ContainerId")));
  if (!live) co_return live.error();
  compare(entry, entry.type, *live);
  co_return Result<>();
}

io::Task<Result<>> Replay::fresh_client() {
  if (client_) co_await client_->stop();
  client_ = std::make_unique<BridgeClient>(engine_, clock_, transport_);
  co_return co_await accept();
}

io::Task<Result<>> Replay::accept() {
  negotiated_ = false;
  const auto deadline = clock_.now() + limit_;
  auto accepting = client_->accept();
  const std::string name = "the guest's connection";
  co_return co_await io::with_deadline(engine_.executor(), clock_, deadline, name, std::move(accepting));
}

io::Task<Result<json>> Replay::in_time(std::string what, io::Task<Result<json>> task) {
  return io::with_deadline(engine_.executor(), clock_, clock_.now() + limit_, std::move(what), std::move(task));
}

/// Live numbers for the recorded ones, and what the host does beside sending.
Result<> Replay::prepare(const TranscriptEntry& entry, json& body) {
  const json* pid = member(body, "ProcessId");
  if (pid != nullptr && pid->is_number_integer()) {
    const auto recorded = pid->get<int64_t>();
    if (entry.type == value(Message::wait_for_process)) waits_[entry.id] = recorded;
    const auto known = pids_.find(recorded);
    if (known != pids_.end()) body["ProcessId"] = known->second;
  }
  if (entry.type == value(Message::create)) prepare_create(body);
  if (entry.type == value(Message::execute_process)) return open_streams(entry.id, body);
  return {};
}

void Replay::prepare_create(json& body) {
  const std::string container = text_of(body, "ContainerId");
  discard(client_->watch(container), "a Create that failed before has left it behind");
  json config = inner_json(body, "ContainerConfig");
  const json* spec = member(config, "OciSpecification");
  const json* process = spec != nullptr ? member(*spec, "process") : nullptr;
  terminals_[container] = process != nullptr && flag_of(*process, "terminal");
  // A config that is no document is played as it was.
  if (spec != nullptr && join_live(config["OciSpecification"], pids_)) body["ContainerConfig"] = to_text(config);
}

Result<> Replay::open_streams(int64_t id, json& body) {
  const json* settings = member(body, "Settings");
  if (settings == nullptr) return {};
  const json parameters = inner_json(*settings, "ProcessParameters");
  const json* oci = member(parameters, "OciProcess");
  auto process = std::make_shared<Process>(engine_.executor());
  process->container = text_of(body, "ContainerId");
  process->terminal = oci != nullptr ? flag_of(*oci, "terminal") : flag_of(parameters, "EmulateConsole");
  if (oci == nullptr && terminals_[process->container]) process->terminal = true;
  for (const StreamName& stream : kStreams) {
    if (!flag_of(parameters, stream.flag)) continue;
    const io::Port port = ports_.next();
    body["Settings"]["VsockStdioRelaySettings"][stream.port] = port;
    if (stream.input) {
      process->input_port = port;
    } else {
      process->outputs.push_back(port);
    }
  }
  starting_[id] = process;
  return offer(process);
}

/// Listens on a process's ports; each takes one connection.
Result<> Replay::offer(const std::shared_ptr<Process>& process) {
  for (const io::Port port : process->outputs) {
    auto listener = StdioListener::open(engine_, transport_, port);
    if (!listener) return listener.error();
    group_.spawn("stdout", Process::drain(std::move(*listener)));
  }
  if (process->input_port == 0) return {};
  auto listener = StdioListener::open(engine_, transport_, process->input_port);
  if (!listener) return listener.error();
  group_.spawn("stdin connection", Process::take_input(std::move(*listener), process));
  return {};
}

/// Drops the bridge as a host does whose calls wait for the guest's return. The streams of what still runs may come
/// back on their ports; those that the guest keeps go on.
void Replay::drop() {
  client_->keep_calls(true);
  client_->drop();
  for (const auto& [pid, process] : running_) {
    const auto offered = offer(process);
    if (!offered) found_.push_back("listen again: " + offered.error().message());
  }
}

io::Task<> Replay::feed(std::shared_ptr<Process> process) {
  if (process->input_port == 0) co_return;
  auto there = [&process] { return process->input != nullptr; };
  co_await process->changed.wait(there);
  const std::string_view text = process->terminal ? kTerminalInput : kInput;
  const auto written = co_await io::write_all(*process->input, io::as_bytes(text));
  discard(written, "a process may end without reading");
  if (!process->terminal) process->input->shut_write();
}

io::Task<> Replay::ask_again(std::string payload) {
  const auto body = parse_json(payload);
  if (!body) co_return;
  const std::string container = text_of(*body, "ContainerId");
  auto runs = [&container](const auto& entry) { return entry.second->container == container; };
  for (;;) {
    co_await io::sleep_until(engine_.executor(), clock_, clock_.now() + kShutdownPause);
    if (std::ranges::none_of(running_, runs)) co_return;
    client_->send(value(Message::shutdown_graceful), kFirstRepeatedId + repeated_++, payload);
  }
}

void Replay::compare(const TranscriptEntry& entry, uint32_t request, const json& live) {
  const auto recorded = parse_json(entry.payload);
  if (!recorded) return found_.push_back(entry.label + ": recorded as no JSON");
  for (const std::string& difference : differences(request, *recorded, live, pids_)) {
    found_.push_back(entry.label + ": " + difference);
  }
}

}  // namespace gcs::host
