#include "runtime/command_run.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <csignal>

#include "stdio/io/deadline.h"

namespace gcs::runtime {
namespace {

constexpr size_t kMaxOutput = 64 * 1024;
constexpr std::chrono::seconds kKillLimit{5};

io::Task<Result<ExitStatus>> exit_of(ChildPtr child) {
  co_return co_await child->exited();
}

/// A file in memory as a command's stdio: nothing has to be read while it runs, and a grandchild that keeps it open
/// delays nobody.
Result<io::Fd> memory_file(const char* name) {
  io::Fd fd(::memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!fd) return sys_error("memfd");
  return fd;
}

Result<io::Fd> input_file(const std::string& input) {
  auto fd = memory_file("input");
  if (!fd) return fd;
  if (::pwrite(fd->get(), input.data(), input.size(), 0) != static_cast<ssize_t>(input.size())) {
    return sys_error("write the command's input");
  }
  return fd;
}

/// Of a fixed size: whoever prints more gets EPERM, and we no more memory used.
Result<io::Fd> output_file() {
  auto fd = memory_file("output");
  if (!fd) return fd;
  if (::ftruncate(fd->get(), kMaxOutput) != 0 || ::fcntl(fd->get(), F_ADD_SEALS, F_SEAL_GROW | F_SEAL_SHRINK) != 0) {
    return sys_error("size the command's output");
  }
  return fd;
}

std::string written_to(const io::Fd& file) {
  const off_t end = ::lseek(file.get(), 0, SEEK_CUR);  // the command wrote through this very file description
  std::string text(end > 0 ? static_cast<size_t>(end) : 0, '\0');
  const ssize_t n = ::pread(file.get(), text.data(), text.size(), 0);
  text.resize(n > 0 ? static_cast<size_t>(n) : 0);
  return text;
}

}  // namespace

io::Task<Result<ExitStatus>> run_to_exit(Reaper& reaper, io::Engine& engine, io::Clock& clock, Command command,
                                         io::Clock::Duration limit) {
  const auto deadline = clock.now() + limit;
  const std::string name = command.argv.front();
  auto child = co_await reaper.spawn(std::move(command), clock, deadline);
  if (!child) co_return child.error();
  const Killing killing(*child);
  auto status = co_await io::with_deadline<ExitStatus>(engine.executor(), clock, deadline, name, exit_of(*child));
  if (!status) {
    // What it leaves behind becomes our child when it has ended, so that is waited for.
    discard((*child)->kill(SIGKILL), "it may have exited just now");
    const auto killed_by = clock.now() + kKillLimit;
    discard(co_await io::with_deadline<ExitStatus>(engine.executor(), clock, killed_by, name, exit_of(*child)),
            "a process in an uninterruptible sleep");
  }
  co_return status;
}

io::Task<Result<CommandOutput>> run_command(Reaper& reaper, io::Engine& engine, io::Clock& clock, Command command,
                                            std::string input, io::Clock::Duration limit) {
  const auto in = input_file(input);
  if (!in) co_return in.error();
  const auto out = output_file();
  if (!out) co_return out.error();
  command.in = in->get();
  command.out = out->get();
  command.err = out->get();
  const auto status = co_await run_to_exit(reaper, engine, clock, std::move(command), limit);
  if (!status) co_return status.error();
  CommandOutput output;
  output.status = *status;
  output.text = written_to(*out);
  co_return output;
}

}  // namespace gcs::runtime
