#include "runtime/storage/mkfs.h"

#include <cstdlib>

#include "runtime/command_run.h"

namespace gcs::storage {
namespace {

// A disk of a terabyte takes some seconds.
constexpr std::chrono::seconds kLimit{50};
constexpr size_t kMaxText = 512;

std::string search_path() {
  const char* path = std::getenv("PATH");
  const std::string own = path != nullptr ? std::string(path) + ":" : "";
  return "PATH=" + own + "/sbin:/usr/sbin:/bin:/usr/bin";
}

/// The end of what a program said, in one line.
std::string last_words(std::string text) {
  if (text.size() > kMaxText) text.erase(0, text.size() - kMaxText);
  for (char& c : text) c = c == '\n' || c == '\r' ? ' ' : c;
  return text;
}

}  // namespace

io::Task<Result<>> make_filesystem(runtime::RuntimeContext& context, std::string filesystem, std::string node) {
  runtime::Command command;
  // Both ask nobody, and take a whole disk for what it is. That nothing is lost has been seen to before.
  if (filesystem == "ext4") command.argv = {"mkfs.ext4", "-q", "-F", node};
  if (filesystem == "xfs") command.argv = {"mkfs.xfs", "-q", "-f", node};
  if (command.argv.empty()) co_return Error(Errc::unsupported, "Filesystem: only ext4 and xfs can be made");
  command.env = {search_path()};
  const std::string program = command.argv.front();
  const auto ran = co_await runtime::run_command(context.reaper, context.stdio.engine, context.stdio.clock,
                                                 std::move(command), "", kLimit);
  if (!ran && ran.error().sys_errno() == ENOENT) {
    co_return Error(Errc::unsupported, "the image has no " + program + " to make the file system with");
  }
  if (!ran) co_return ran.error().within(program);
  if (ran->status.as_shell() != 0) co_return Error(Errc::internal, program + " failed: " + last_words(ran->text));
  co_return Result<>();
}

}  // namespace gcs::storage
