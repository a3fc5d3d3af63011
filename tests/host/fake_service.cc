#include "tests/host/fake_service.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/host/attachment.h"

namespace gcs::testing {
namespace {

using host::json;
using host::member;
using host::Message;
using host::number_of;
using host::text_of;

constexpr const char* kGood = R"({"Result":0})";
constexpr const char* kFail = R"({"Result":-2147467259,"ErrorMessage":"no such program"})";
constexpr const char* kNoProcess = R"({"Result":-2147023728,"ErrorMessage":"no such process"})";

std::vector<std::string> words_of(const json* list) {
  return list != nullptr && list->is_array() ? list->get<std::vector<std::string>>() : std::vector<std::string>();
}

json parsed(const std::string& text) {
  auto value = host::parse_json(text);
  return value ? *value : json::object();
}

}  // namespace

struct FakeService::Process {
  explicit Process(io::Executor executor) : changed(executor, "fake process") {}
  std::vector<std::string> words;
  std::string container;
  bool init = false;
  std::unique_ptr<io::Stream> in, out, err;
  int signalled = 0;
  std::string size;
  int64_t exit = -1;
  io::Condition changed;
};

FakeService::FakeService(Loop& loop, io::TransportName transport)
    : loop_(loop),
      guest_(loop, std::move(transport)),
      released_(loop.executor(), "fake service"),
      group_(loop.executor()) {}

FakeService::~FakeService() = default;

bool FakeService::asked_for(const std::string& what) const {
  return std::find(asked_.begin(), asked_.end(), what) != asked_.end();
}

io::Task<> FakeService::serve() {
  co_await guest_.dial();
  co_await guest_.negotiate();
  for (;;) {
    Request request = co_await guest_.next();
    if (request.type == 0) co_return;
    asked_.push_back(host::name_of(request.type));
    group_.spawn("fake handler", handle(std::move(request)));
  }
}

void FakeService::release() {
  held_.reset();
  released_.notify_all();
}

io::Task<> FakeService::stop() {
  group_.cancel();
  co_await group_.join();
}

io::Task<> FakeService::handle(Request request) {
  auto may_begin = [this, &request] { return held_ != static_cast<Message>(request.type); };
  co_await released_.wait(may_begin);
  const json body = parsed(request.payload);
  const std::string id = text_of(body, "ContainerId");
  std::string answer = kGood;
  switch (static_cast<Message>(request.type)) {
    case Message::execute_process: co_return co_await execute(std::move(request));
    case Message::wait_for_process: co_return co_await wait(std::move(request));
    case Message::create: {
      const json config = parsed(text_of(body, "ContainerConfig"));
      if (create_answer.find("\"Result\":0") != std::string::npos) {
        containers_[id] = words_of(member(*member(*member(config, "OciSpecification"), "process"), "args"));
      }
      answer = create_answer;
      break;
    }
    case Message::delete_container_state: containers_.erase(id); break;
    case Message::modify_settings:
      if (id != host::kUvmId) asked_.back() += " " + id;
      break;
    case Message::shutdown_graceful:
    case Message::shutdown_forced:
      if (id == host::kUvmId) co_return guest_.vanish();
      if (inits_.contains(id)) {
        signal(inits_[id], static_cast<Message>(request.type) == Message::shutdown_forced ? 9 : 15);
      }
      break;
    case Message::signal_process: {
      const auto process = process_of(body);
      const json* options = member(body, "Options");
      const auto number = options != nullptr ? static_cast<int>(number_of(*options, "Signal")) : 9;
      asked_.back() += " " + std::to_string(number);
      if (process != nullptr) {
        signal(process, number);
      } else {
        answer = kNoProcess;
      }
      break;
    }
    case Message::resize_console: {
      const auto process = process_of(body);
      if (process == nullptr) break;
      process->size = std::to_string(number_of(body, "Height")) + "x" + std::to_string(number_of(body, "Width"));
      process->changed.notify_all();
      break;
    }
    case Message::get_properties: {
      json properties = json::object();
      properties["ProcessList"].push_back({{"ProcessId", 100}});
      properties["LCOWMetrics"]["pids"]["current"] = 3;
      properties["LCOWMetrics"]["memory"]["usage"] = {{"usage", 2048}, {"max", 4096}, {"limit", 1048576}};
      json out = json::object();
      out["Properties"] = host::to_text(properties);
      answer = host::to_text(out);
      break;
    }
    case Message::dump_stacks: answer = R"({"Result":0,"GuestStacks":"all quiet"})"; break;
    default: break;
  }
  co_await guest_.answer(request, answer);
}

io::Task<> FakeService::execute(Request request) {
  const json body = parsed(request.payload);
  const json* settings = member(body, "Settings");
  const json parameters = parsed(text_of(*settings, "ProcessParameters"));
  const json* ports = member(*settings, "VsockStdioRelaySettings");
  auto process = std::make_shared<Process>(loop_.executor());
  process->container = text_of(body, "ContainerId");
  const json* oci = member(parameters, "OciProcess");
  process->words = words_of(member(oci != nullptr ? *oci : parameters, oci != nullptr ? "args" : "CommandArgs"));
  process->init = process->words.empty();
  if (process->init) process->words = containers_[process->container];
  if (process->words.empty() || process->words[0] == "missing") co_return co_await guest_.answer(request, kFail);

  if (number_of(*ports, "StdIn") != 0) {
    process->in = co_await guest_.dial_port(static_cast<io::Port>(number_of(*ports, "StdIn")));
  }
  if (number_of(*ports, "StdOut") != 0) {
    process->out = co_await guest_.dial_port(static_cast<io::Port>(number_of(*ports, "StdOut")));
  }
  if (number_of(*ports, "StdErr") != 0) {
    process->err = co_await guest_.dial_port(static_cast<io::Port>(number_of(*ports, "StdErr")));
  }
  const int64_t pid = next_pid_++;
  processes_[pid] = process;
  if (process->init) inits_[process->container] = process;
  json answer = json::object();
  answer["Result"] = 0;
  answer["ProcessId"] = pid;
  co_await guest_.answer(request, host::to_text(answer));
  co_await act(process);
}

io::Task<> FakeService::wait(Request request) {
  const json body = parsed(request.payload);
  const auto process = process_of(body);
  if (process == nullptr) co_return co_await guest_.answer(request, kNoProcess);
  auto ended = [&process] { return process->exit >= 0; };
  co_await process->changed.wait(ended);
  json answer = json::object();
  answer["Result"] = 0;
  answer["ExitCode"] = process->exit;
  co_await guest_.answer(request, host::to_text(answer));
  if (process->init) co_await guest_.notify(process->container);
}

io::Task<> FakeService::act(std::shared_ptr<Process> process) {
  const std::vector<std::string>& words = process->words;
  std::string text;
  for (size_t i = 1; i < words.size(); ++i) text += (i > 1 ? " " : "") + words[i];
  text += "\n";
  int64_t exit = 0;
  if (words[0] == "cat" && process->in) {
    const auto copied = co_await host::copy(*process->in, *process->out);
    discard(copied, "the host's side judges");
  }
  if (words[0] == "exit") exit = std::stol(words[1]);
  if (words[0] == "flood") text.assign(std::stoul(words[1]), 'x');
  if (words[0] == "size") {
    auto sized = [&process] { return !process->size.empty(); };
    co_await process->changed.wait(sized);
    text = process->size;
  }
  if (words[0] == "sleep") {
    auto signalled = [&process] { return process->signalled != 0; };
    co_await process->changed.wait(signalled);
    exit = 128 + process->signalled;
  }
  auto& stream = words[0] == "complain" ? process->err : process->out;
  const bool speaks = words[0] == "echo" || words[0] == "complain" || words[0] == "flood" || words[0] == "size";
  if (speaks && stream) {
    const auto written = co_await io::write_all(*stream, io::as_bytes(text));
    discard(written, "the host's side judges");
  }
  if (words[0] != "linger") {
    co_await end_output(process->out);
    co_await end_output(process->err);
  }
  process->exit = exit;
  process->changed.notify_all();
}

/// Half-closes and waits for the host to close, as a guest does before it reports an exit.
io::Task<> FakeService::end_output(std::unique_ptr<io::Stream>& stream) {
  if (!stream) co_return;
  stream->shut_write();
  std::byte one{};
  const auto got = co_await stream->read_some(std::span(&one, 1));
  discard(got, "the end, or a reset");
  stream.reset();
}

std::shared_ptr<FakeService::Process> FakeService::process_of(const json& body) {
  const auto found = processes_.find(number_of(body, "ProcessId"));
  return found == processes_.end() ? nullptr : found->second;
}

void FakeService::signal(const std::shared_ptr<Process>& process, int number) {
  process->signalled = number;
  process->changed.notify_all();
}

}  // namespace gcs::testing
