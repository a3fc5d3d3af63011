#include "runtime/uvm_process.h"

#include <sys/ioctl.h>

#include "runtime/command_line.h"
#include "runtime/console.h"
#include "runtime/stdio_pipes.h"

namespace gcs::runtime {
namespace {

// A program whose device does not answer is given up then.
constexpr std::chrono::seconds kExecLimit{10};

/// exec(2) would see half of such a string.
Result<> refuse_nul(const char* field, const std::vector<std::string>& strings) {
  for (const std::string& one : strings) {
    if (one.find('\0') != std::string::npos) {
      return Error(Errc::invalid_argument, std::string(field) + ": a string holds a NUL");
    }
  }
  return {};
}

Result<> check_strings(const UvmCommand& asked) {
  const auto args = refuse_nul("CommandArgs", asked.args);
  if (!args) return args;
  const auto environment = refuse_nul("Environment", asked.environment);
  if (!environment) return environment;
  return refuse_nul("WorkingDirectory", {asked.working_directory});
}

Result<Command> command_of(UvmCommand& asked) {
  const auto checked = check_strings(asked);
  if (!checked) return checked.error();
  Command command;
  command.argv = std::move(asked.args);
  if (command.argv.empty()) {
    auto words = split_command_line(asked.command_line);
    if (!words) return words.error();
    command.argv = std::move(*words);
  }
  if (command.argv.empty()) return Error(Errc::invalid_argument, "CommandArgs and CommandLine are empty");
  command.env = std::move(asked.environment);
  command.cwd = asked.working_directory.empty() ? "/" : asked.working_directory;
  return command;
}

io::Task<Result<ChildPtr>> spawn(RuntimeContext& context, Command command) {
  io::Clock& clock = context.stdio.clock;
  co_return co_await context.reaper.spawn(std::move(command), clock, clock.now() + kExecLimit);
}

io::Task<Result<ChildPtr>> start_on_terminal(RuntimeContext& context, Command command, const UvmCommand& asked,
                                             stdio::ProcessEnds& ends) {
  auto pty = open_pty();
  if (!pty) co_return pty.error();
  if (asked.rows > 0 && asked.columns > 0) {
    winsize size{};
    size.ws_row = asked.rows;
    size.ws_col = asked.columns;
    ::ioctl(pty->master.get(), TIOCSWINSZ, &size);
  }
  command.in = command.out = command.err = pty->slave.get();
  command.own_terminal = true;
  auto child = co_await spawn(context, std::move(command));
  if (child) ends.pty = context.stdio.engine.adopt(std::move(pty->master));
  co_return child;
}

io::Task<Result<ChildPtr>> start_on_pipes(RuntimeContext& context, Command command, const stdio::StreamPorts& ports,
                                          stdio::ProcessEnds& ends) {
  const WantedPipes wanted{ports.in.has_value(), ports.out.has_value(), ports.err.has_value()};
  auto pipes = make_stdio_pipes(context.stdio.engine, wanted);
  if (!pipes) co_return pipes.error();
  command.in = pipes->in.get();
  command.out = pipes->out.get();
  command.err = pipes->err.get();
  auto child = co_await spawn(context, std::move(command));
  if (child) ends = std::move(pipes->ours);
  co_return child;
}

}  // namespace

io::Task<Result<ProcessPtr>> start_uvm_process(RuntimeContext& context, UvmCommand asked, stdio::StreamPorts ports) {
  auto command = command_of(asked);
  if (!command) co_return command.error();
  const std::string name = "uvm " + command->argv.front();
  auto streams = std::make_unique<stdio::StreamSet>(context.stdio, std::string(), name);
  const auto dialled = co_await streams->dial(ports);
  if (!dialled) co_return dialled.error();

  stdio::ProcessEnds ends;
  Result<ChildPtr> child = ChildPtr();
  if (asked.terminal) {
    child = co_await start_on_terminal(context, std::move(*command), asked, ends);
  } else {
    child = co_await start_on_pipes(context, std::move(*command), ports, ends);
  }
  if (!child) co_return child.error().within("start a process in the VM");
  auto process = std::make_shared<Process>(context.stdio, ProcessKind::uvm, name, std::move(*child));
  process->attach(std::move(streams), std::move(ends));
  co_return process;
}

}  // namespace gcs::runtime
