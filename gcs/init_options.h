#pragma once

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
  std::string run;                       ///< -run PROGRAM: the companion command (init.h)
  Command agent;
  std::vector<std::string> ignored;  ///< arguments that mean nothing to us: logged, for PID 1 cannot refuse
};

/// Reads PID 1's arguments, without its name: flags, then the agent's command line, which begins with a path.
/// Without a command the agent is `self`, this binary, with the flags that hosts use.
///
/// Hosts start the agent under `/bin/vsockexec [-r] [-o PORT] [-e PORT]`, which carries its stderr to a port. An image
/// without that program (`have_vsockexec` false) does not need it: `-e PORT` becomes the agent's own `-log-port PORT`.
InitOptions parse_init_options(std::span<const std::string_view> arguments, const std::string& self,
                               bool have_vsockexec);

/// The value of `name=value` on the kernel's command line; only its own part, before `--`. The last one counts.
std::optional<std::string_view> kernel_argument(std::string_view command_line, std::string_view name);

}  // namespace gcs
