#include "gcs/init_options.h"

#include <charconv>

namespace gcs {
namespace {

constexpr std::string_view kVsockexec = "/bin/vsockexec";

using Arguments = std::span<const std::string_view>;

/// Takes the value of `flag` from the front: `-e 1` or `-e1`. False when the front is something else.
bool take_value(Arguments& arguments, std::string_view flag, std::string_view& value) {
  const std::string_view front = arguments.front();
  if (!front.starts_with(flag)) return false;
  if (front.size() > flag.size()) {
    value = front.substr(flag.size());
    arguments = arguments.subspan(1);
    return true;
  }
  if (arguments.size() < 2) return false;
  value = arguments[1];
  arguments = arguments.subspan(2);
  return true;
}

std::optional<unsigned> port_of(std::string_view text) {
  unsigned port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

/// Reads vsockexec's flags off the front; gives the flags that the agent gets in their place.
std::vector<std::string> replace_vsockexec(Arguments& arguments) {
  std::vector<std::string> flags;
  arguments = arguments.subspan(1);
  while (!arguments.empty() && arguments.front().starts_with('-')) {
    std::string_view value;
    if (take_value(arguments, "-e", value)) {
      flags = {"-log-port", std::string(value)};
    } else if (!take_value(arguments, "-o", value)) {
      arguments = arguments.subspan(1);  // -r: our agent's log survives an outage anyway
    }
  }
  return flags;
}

/// What is not the agent's command, taken from the front.
void take_argument(Arguments& arguments, InitOptions& options) {
  std::string_view value;
  const std::string_view front = arguments.front();
  if (front == "-w") {
    options.writable = true;
    arguments = arguments.subspan(1);
  } else if (front == "--") {
    arguments = arguments.subspan(1);
  } else if (front == "-run" && arguments.size() > 1) {
    options.run = arguments[1];
    arguments = arguments.subspan(2);
  } else if (take_value(arguments, "-e", value)) {
    options.entropy_port = port_of(value);
    if (!options.entropy_port) options.ignored.push_back("-e " + std::string(value));
  } else {
    options.ignored.emplace_back(front);
    arguments = arguments.subspan(1);
  }
}

}  // namespace

InitOptions parse_init_options(Arguments arguments, const std::string& self, bool have_vsockexec) {
  InitOptions options;
  // The kernel puts words of its own command line that it does not know in front of those after `--`.
  while (!arguments.empty() && arguments.front().find('/') == std::string_view::npos) take_argument(arguments, options);

  std::vector<std::string> flags;
  if (!have_vsockexec && !arguments.empty() && arguments.front() == kVsockexec) flags = replace_vsockexec(arguments);

  if (arguments.empty()) {
    // Not named by its file: that may be called init, which would make the agent another PID 1's program.
    options.agent = {self, {"gcs", "-v4", "-log-format", "json", "-loglevel", "info"}};
  } else {
    options.agent.file = arguments.front();
    options.agent.argv.assign(arguments.begin(), arguments.end());
  }
  options.agent.argv.insert(options.agent.argv.end(), flags.begin(), flags.end());
  return options;
}

std::optional<std::string_view> kernel_argument(std::string_view command_line, std::string_view name) {
  constexpr std::string_view kSpace = " \t\n";
  std::optional<std::string_view> found;
  for (;;) {
    const size_t start = command_line.find_first_not_of(kSpace);
    if (start == command_line.npos) return found;
    command_line.remove_prefix(start);
    const std::string_view word = command_line.substr(0, command_line.find_first_of(kSpace));
    command_line.remove_prefix(word.size());
    if (word == "--") return found;
    if (word.starts_with(name) && word.size() > name.size() && word[name.size()] == '=') {
      found = word.substr(name.size() + 1);
    }
  }
}

}  // namespace gcs
