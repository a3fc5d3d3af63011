#include "tests/host/process.h"

#include <chrono>
#include <nlohmann/json.hpp>

#include "stdio/io/deadline.h"
#include "tests/host/awaited_stream.h"
#include "tests/host/call.h"
#include "tests/host/local_host.h"
#include "tests/host/oci_spec.h"

namespace gcs::host {
namespace {

// The guest dials before it answers, so a connection that is not there by now will not come; the time is for transports
// that hand it over late.
constexpr std::chrono::seconds kAcceptLimit{10};

/// The listener of one stream until its connection is there.
struct Door {
  const char* flag;
  const char* port_name;
  bool wanted;
  std::unique_ptr<io::Stream>& stream;
  io::Port& port;
  std::optional<StdioListener> listener;
};

io::Task<Result<>> open_door(Host& host, Door& door, json& parameters, json& ports) {
  if (!door.wanted) co_return Result<>();
  const auto port = co_await host.next_port();
  if (!port) co_return port.error();
  auto listener = StdioListener::open(host.engine(), host.transport(), *port);
  if (!listener) co_return listener.error();
  door.listener.emplace(std::move(*listener));
  door.port = *port;
  parameters[door.flag] = true;
  ports[door.port_name] = *port;
  co_return Result<>();
}

io::Task<Result<>> pass_door(Host& host, Door& door) {
  if (!door.listener) co_return Result<>();
  const auto deadline = host.clock().now() + kAcceptLimit;
  auto accepting = door.listener->accept();
  const std::string name = std::string("connection of ") + door.port_name;
  auto stream =
      co_await io::with_deadline(host.engine().executor(), host.clock(), deadline, name, std::move(accepting));
  if (!stream) co_return stream.error();
  door.stream = std::move(*stream);
  co_return Result<>();
}

json about_process(const std::string& container, uint32_t pid) {
  json body = json::object();
  body["ContainerId"] = container;
  body["ProcessId"] = pid;
  return body;
}

}  // namespace

io::Task<Result<std::unique_ptr<Process>>> Process::start(Host& host, std::string container, json parameters,
                                                          Streams streams) {
  std::unique_ptr<Process> process(new Process(host, container));
  StreamPorts& named = process->ports_;
  Door doors[] = {{"CreateStdInPipe", "StdIn", streams.in, process->in, named.in, std::nullopt},
                  {"CreateStdOutPipe", "StdOut", streams.out, process->out, named.out, std::nullopt},
                  {"CreateStdErrPipe", "StdErr", streams.err, process->err, named.err, std::nullopt}};
  json ports = json::object();
  for (Door& door : doors) {
    const auto opened = co_await open_door(host, door, parameters, ports);
    if (!opened) co_return opened.error();
  }
  json body = json::object();
  body["ContainerId"] = container;
  body["Settings"]["ProcessParameters"] = to_text(parameters);
  body["Settings"]["VsockStdioRelaySettings"] = std::move(ports);
  const auto answer = co_await request(host, Message::execute_process, std::move(body));
  if (!answer) co_return answer.error();
  process->pid_ = static_cast<uint32_t>(number_of(*answer, "ProcessId"));
  for (Door& door : doors) {
    const auto passed = co_await pass_door(host, door);
    if (!passed) co_return passed.error();
  }
  co_return process;
}

std::shared_ptr<Call> send_wait(BridgeClient& client, const std::string& container, uint32_t pid, uint32_t timeout_ms) {
  json body = about_process(container, pid);
  body["ActivityId"] = kNoActivity;
  body["TimeoutInMs"] = timeout_ms;
  return client.send(value(Message::wait_for_process), client.next_id(), to_text(body) + "\n");
}

io::Task<Result<std::unique_ptr<Process>>> Process::open_with_io(LocalHost& host, MigrationState state) {
  std::unique_ptr<Process> process(new Process(host, state.container));
  process->pid_ = state.pid;
  process->ports_ = state.ports;
  // Before the guest learns that its process is wanted: it dials then, for a limited time.
  struct {
    io::Port port;
    std::unique_ptr<io::Stream>& stream;
  } ends[] = {{state.ports.in, process->in}, {state.ports.out, process->out}, {state.ports.err, process->err}};
  for (auto& end : ends) {
    if (end.port == 0) continue;
    auto listener = StdioListener::open(host.engine(), host.transport(), end.port);
    if (!listener) co_return listener.error();
    end.stream = std::make_unique<AwaitedStream>(std::move(*listener));
  }
  BridgeClient& client = host.client();
  process->client_ = &client;
  process->exit_ = client.expect(value(Message::wait_for_process), state.wait_id);
  auto probe = send_wait(client, state.container, state.pid, kProbe);
  const auto answer = co_await client.answer(std::move(probe));
  if (!answer) co_return answer.error();
  const auto ended = outcome(*answer);
  if (ended) process->exit_code_ = static_cast<uint32_t>(number_of(*answer, "ExitCode"));
  if (!ended && ended.error().code() != Errc::timed_out) co_return ended.error();
  co_return process;
}

void Process::ask_exit(BridgeClient& client) {
  client_ = &client;
  exit_ = send_wait(client, container_, pid_, kForever);
}

MigrationState Process::migration_state() const {
  return {container_, pid_, ports_, exit_ != nullptr ? exit_->id : 0};
}

io::Task<Result<uint32_t>> Process::wait(uint32_t timeout_ms) {
  if (exit_code_) co_return *exit_code_;
  if (exit_ != nullptr && timeout_ms == kForever) {
    const auto owed = co_await client_->answer(exit_);
    if (!owed) co_return owed.error();
    const auto success = outcome(*owed);
    if (!success) co_return success.error();
    co_return static_cast<uint32_t>(number_of(*owed, "ExitCode"));
  }
  json body = about_process(container_, pid_);
  body["TimeoutInMs"] = timeout_ms;
  const auto answer = co_await request(host_, Message::wait_for_process, std::move(body));
  if (!answer) co_return answer.error();
  co_return static_cast<uint32_t>(number_of(*answer, "ExitCode"));
}

io::Task<Result<>> Process::signal(int number) {
  json body = about_process(container_, pid_);
  body["Options"]["Signal"] = number;
  const auto answer = co_await request(host_, Message::signal_process, std::move(body));
  if (!answer) co_return answer.error();
  co_return Result<>();
}

io::Task<Result<>> Process::resize(uint16_t height, uint16_t width) {
  json body = about_process(container_, pid_);
  body["Height"] = height;
  body["Width"] = width;
  const auto answer = co_await request(host_, Message::resize_console, std::move(body));
  if (!answer) co_return answer.error();
  co_return Result<>();
}

json exec_parameters(const Command& command) {
  json parameters = json::object();
  parameters["OciProcess"] = oci_process(command);
  return parameters;
}

json uvm_parameters(const Command& command) {
  json parameters = json::object();
  parameters["CommandArgs"] = command.args;
  parameters["WorkingDirectory"] = command.cwd;
  json& environment = parameters["Environment"];
  for (const std::string& entry : environment_of(command)) {
    const size_t equals = entry.find('=');
    if (equals != std::string::npos) environment[entry.substr(0, equals)] = entry.substr(equals + 1);
  }
  if (command.terminal) parameters["EmulateConsole"] = true;
  if (command.height != 0) parameters["ConsoleSize"] = {command.height, command.width};
  return parameters;
}

Streams streams_of(const Command& command, bool interactive) {
  Streams streams;
  streams.in = interactive;
  streams.err = !command.terminal;
  return streams;
}

}  // namespace gcs::host
