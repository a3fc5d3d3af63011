#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace gcs {

/// A program to start: the file, and its argv including the name.
struct Command {
  std::string file;
  std::vector<std::string> argv;
};

/// What PID 1 was asked to do.
struct InitOptions {
  std::optional<unsigned> entropy_port;  ///< -e PORT: read boot entropy from this port of the host
  bool writable = false;                 ///< -w: /etc and /var get a writable layer
  std::string run;                       ///< -run PROGRAM, -d PROGRAM: the companion command (init.h)
  bool agent_may_end = false;            ///< -d: its end alone is the end of the VM
  Command agent;
  std::vector<std::string> ignored;  ///< arguments that mean nothing to us: logged, for PID 1 cannot refuse
};

/// What the arguments are read against.
struct InitSurroundings {
  std::string self;                                     ///< the path of this binary
  std::string_view kernel_line;                         ///< /proc/cmdline
  std::function<bool(const std::string&)> has_program;  ///< by its path, or by a name on PATH
};

/// Reads PID 1's arguments, without its name: flags, then the agent's command line, which begins at the first word that
/// is a path or the name of a program on PATH. Without a command the agent is `self` with the flags that hosts use.
///
/// The kernel puts words of its own part of the line that it does not know in front of those after `--`, and those must
/// not be taken for a command: a stray `sync` is a program, too. The line tells how many stood after the dashes, so
/// that the others are known; of them flags count, as they do with the Go image's PID 1, and no more. A line without
/// dashes does not tell, and the first rule alone decides.
///
/// Hosts start the agent under `/bin/vsockexec [-r] [-o PORT] [-e PORT]`, which carries its stderr to a port. An image
/// without that program does not need it: `-e PORT` becomes the agent's own `-log-port PORT`. This holds for the form
/// of VMs with a console, too: `sh -c "/bin/vsockexec … /bin/gcs … & exec sh"`. The newer shims write that without the
/// space, `sh -c"…"`; the kernel leaves such quotes alone, and no shell takes them, so they are taken off.
InitOptions parse_init_options(std::span<const std::string_view> arguments, const InitSurroundings& around);

/// The value of `name=value` on the kernel's command line; only its own part, before `--`. The last one counts.
std::optional<std::string_view> kernel_argument(std::string_view command_line, std::string_view name);

/// The next word of the kernel's command line, taken off it; spaces within quotes belong to it. Empty at the end.
std::string_view take_kernel_word(std::string_view& command_line);

}  // namespace gcs
