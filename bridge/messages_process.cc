#include "bridge/messages_process.h"

#include <csignal>
#include <nlohmann/json.hpp>
#include <utility>

namespace gcs::bridge {

namespace {

/// [rows, columns]. No upstream guest reads it, so whatever else stands there is no fault.
std::optional<ConsoleSize> console_size(const Json& value) {
  if (!value || !value->is_array() || value->size() != 2) return std::nullopt;
  for (const auto& side : *value) {
    if (!side.is_number_unsigned() || side.get<uint64_t>() > UINT16_MAX) return std::nullopt;
  }
  return ConsoleSize{(*value)[0].get<uint16_t>(), (*value)[1].get<uint16_t>()};
}

}  // namespace

Result<ExecuteProcess> decode_execute_process(const Body& body) {
  if (body.failure) return *body.failure;
  Fields fields(body.document);
  Fields settings = fields.object("Settings");
  Fields parameters = settings.embedded("ProcessParameters");

  ExecuteProcess execute;
  execute.base = body.base;
  execute.args = parameters.strings("CommandArgs");
  execute.command_line = parameters.string("CommandLine");
  execute.working_directory = parameters.string("WorkingDirectory");
  execute.environment = parameters.string_map("Environment");
  execute.emulate_console = parameters.boolean("EmulateConsole");
  execute.console_size = console_size(parameters.any("ConsoleSize"));
  execute.in_uvm = parameters.boolean("CreateInUtilityVM");
  execute.oci_process = parameters.object_value("OciProcess");

  Fields ports = settings.object("VsockStdioRelaySettings");
  const uint32_t in = ports.u32("StdIn");
  const uint32_t out = ports.u32("StdOut");
  const uint32_t err = ports.u32("StdErr");
  if (parameters.boolean("CreateStdInPipe")) execute.stdin_port = in;
  if (parameters.boolean("CreateStdOutPipe")) execute.stdout_port = out;
  if (parameters.boolean("CreateStdErrPipe")) execute.stderr_port = err;
  return fields.finish(std::move(execute));
}

Result<WaitForProcess> decode_wait_for_process(const Body& body) {
  if (body.failure) return *body.failure;
  Fields fields(body.document);
  WaitForProcess wait;
  wait.base = body.base;
  wait.process_id = fields.u32("ProcessId");
  wait.timeout_ms = fields.u32("TimeoutInMs");
  return fields.finish(std::move(wait));
}

Result<SignalProcess> decode_signal_process(const Body& body) {
  if (body.failure) return *body.failure;
  Fields fields(body.document);
  SignalProcess signal;
  signal.base = body.base;
  signal.process_id = fields.u32("ProcessId");
  signal.signal = fields.object("Options").i32("Signal");
  if (signal.signal == 0) signal.signal = SIGKILL;
  return fields.finish(std::move(signal));
}

Result<ResizeConsole> decode_resize_console(const Body& body) {
  if (body.failure) return *body.failure;
  Fields fields(body.document);
  ResizeConsole resize;
  resize.base = body.base;
  resize.process_id = fields.u32("ProcessId");
  resize.size.height = fields.u16("Height");
  resize.size.width = fields.u16("Width");
  return fields.finish(std::move(resize));
}

}  // namespace gcs::bridge
