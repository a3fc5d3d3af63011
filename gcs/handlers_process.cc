#include <csignal>

#include "bridge/messages_out.h"
#include "bridge/messages_process.h"
#include "gcs/handlers.h"
#include "runtime/uvm_process.h"

namespace gcs {
namespace {

using bridge::Body;
using Payload = Result<std::string>;

runtime::UvmCommand uvm_command(const bridge::ExecuteProcess& request) {
  runtime::UvmCommand command;
  command.args = request.args;
  command.command_line = request.command_line;
  command.working_directory = request.working_directory;
  for (const auto& [key, value] : request.environment) command.environment.push_back(key + "=" + value);
  command.terminal = request.emulate_console;
  if (request.console_size) {
    command.rows = request.console_size->height;
    command.columns = request.console_size->width;
  }
  return command;
}

/// Three requests in one: a VM process, an exec, or the start of a container's init process (wire.md 7.5).
io::Task<Payload> execute(HandlerContext& context, Body body) {
  const auto request = bridge::decode_execute_process(body);
  if (!request) co_return request.error();
  stdio::StreamPorts ports{request->stdin_port, request->stdout_port, request->stderr_port};
  Result<pid_t> pid = 0;
  if (request->base.container_id == bridge::kNullId || request->in_uvm) {
    pid = co_await context.registry.run_in_uvm(uvm_command(*request), ports);
  } else {
    const auto container = context.registry.find(request->base.container_id);
    if (!container) co_return container.error();
    if (request->oci_process != nullptr) {
      pid = co_await (*container)->exec(request->oci_process, ports);
    } else {
      pid = co_await (*container)->start(ports);
    }
  }
  if (!pid) co_return pid.error();
  co_return bridge::encode_executed(request->base.activity_id, static_cast<uint32_t>(*pid));
}

io::Task<Payload> wait(HandlerContext& context, Body body) {
  const auto request = bridge::decode_wait_for_process(body);
  if (!request) co_return request.error();
  body = {};  // ten thousand waits are kept for hours
  const auto process = context.registry.find_process(request->base.container_id, request->process_id);
  if (!process) co_return process.error();
  std::optional<io::Clock::Duration> limit;
  if (request->timeout_ms != bridge::kForever) limit = std::chrono::milliseconds(request->timeout_ms);
  const auto code = co_await (*process)->wait(limit);
  if (!code) co_return code.error();
  co_return bridge::encode_exited(request->base.activity_id, *code);
}

io::Task<Payload> signal(HandlerContext& context, Body body) {
  const auto request = bridge::decode_signal_process(body);
  if (!request) co_return request.error();
  if (request->signal < 1 || request->signal >= NSIG) {
    co_return Error(Errc::invalid_argument, "Options.Signal: " + std::to_string(request->signal) + " is no signal");
  }
  const auto sent = context.registry.signal(request->base.container_id, request->process_id, request->signal);
  if (!sent) co_return sent.error();
  co_return bridge::encode_success(request->base.activity_id);
}

io::Task<Payload> resize(HandlerContext& context, Body body) {
  const auto request = bridge::decode_resize_console(body);
  if (!request) co_return request.error();
  const auto process = context.registry.find_process(request->base.container_id, request->process_id);
  if (!process) co_return process.error();
  const auto resized = (*process)->resize(request->size.height, request->size.width);
  if (!resized) co_return resized.error();
  co_return bridge::encode_success(request->base.activity_id);
}

/// The live tasks and what they await.
io::Task<Payload> dump_stacks(HandlerContext&, Body body) {
  std::string stacks;
  for (const std::string& line : io::live_tasks()) stacks += line + "\n";
  co_return bridge::encode_stacks(body.base.activity_id, stacks);
}

}  // namespace

void serve_processes(HandlerContext& context) {
  using bridge::MessageType;
  bridge::Dispatch& dispatch = context.exchange.dispatch;
  dispatch.serve(MessageType::execute_process, [&context](Body body) { return execute(context, std::move(body)); });
  dispatch.serve(MessageType::wait_for_process, [&context](Body body) { return wait(context, std::move(body)); });
  dispatch.serve(MessageType::signal_process, [&context](Body body) { return signal(context, std::move(body)); });
  dispatch.serve(MessageType::resize_console, [&context](Body body) { return resize(context, std::move(body)); });
  dispatch.serve(MessageType::dump_stacks, [&context](Body body) { return dump_stacks(context, std::move(body)); });
}

}  // namespace gcs
