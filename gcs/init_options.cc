#include "gcs/init_options.h"

#include <algorithm>
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

/// The same within a shell's script that begins with vsockexec. The agent's flags follow its name there: what comes
/// after them is the shell's.
std::string without_vsockexec(std::string_view script) {
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin <= script.size();) {
    const size_t end = std::min(script.find(' ', begin), script.size());
    words.push_back(script.substr(begin, end - begin));
    begin = end + 1;
  }
  if (words.front() != kVsockexec) return std::string(script);
  Arguments rest = words;
  const std::vector<std::string> flags = replace_vsockexec(rest);
  if (rest.empty()) return {};
  std::string text(rest.front());
  for (const std::string& flag : flags) text += " " + flag;
  for (const std::string_view word : rest.subspan(1)) text += " " + std::string(word);
  return text;
}

/// How many of `total` arguments the kernel took from its own part of the line.
size_t count_kernel_words(size_t total, std::string_view line) {
  std::string_view word;
  while (word != "--") {
    word = take_kernel_word(line);
    if (word.empty()) return 0;
  }
  size_t ours = 0;
  while (!take_kernel_word(line).empty()) ++ours;
  return total - std::min(total, ours);
}

/// What is not the agent's command, taken from the front.
void take_argument(Arguments& arguments, InitOptions& options, const InitSurroundings& around) {
  std::string_view value;
  const std::string_view front = arguments.front();
  if (front == "-w") {
    options.writable = true;
    arguments = arguments.subspan(1);
  } else if (front == "--") {
    arguments = arguments.subspan(1);
  } else if (front == "-run" && arguments.size() > 1) {
    options.run = arguments[1];
    options.agent_may_end = false;
    arguments = arguments.subspan(2);
  } else if (take_value(arguments, "-d", value)) {
    if (around.has_program(std::string(value))) {
      options.run = value;
      options.agent_may_end = true;
    } else {
      options.ignored.push_back("-d " + std::string(value));
    }
  } else if (take_value(arguments, "-e", value)) {
    options.entropy_port = port_of(value);
    if (!options.entropy_port) options.ignored.push_back("-e " + std::string(value));
  } else {
    options.ignored.emplace_back(front);
    arguments = arguments.subspan(1);
  }
}

bool begins_command(std::string_view word, const InitSurroundings& around) {
  if (word.starts_with('-')) return false;
  return word.find('/') != std::string_view::npos || around.has_program(std::string(word));
}

Command agent_of(Arguments arguments, const InitSurroundings& around) {
  const bool have_vsockexec = around.has_program(std::string(kVsockexec));
  std::vector<std::string> flags;
  if (!have_vsockexec && !arguments.empty() && arguments.front() == kVsockexec) flags = replace_vsockexec(arguments);

  Command agent;
  if (arguments.empty()) {
    // Not named by its file: that may be called init, which would make the agent another PID 1's program.
    agent = {around.self, {"gcs", "-v4", "-log-format", "json", "-loglevel", "info"}};
  } else {
    agent.file = arguments.front();
    agent.argv.assign(arguments.begin(), arguments.end());
  }
  agent.argv.insert(agent.argv.end(), flags.begin(), flags.end());

  std::vector<std::string>& argv = agent.argv;
  if (argv.size() == 2 && argv[1].size() > 3 && argv[1].starts_with("-c\"") && argv[1].ends_with('"')) {
    argv = {argv[0], "-c", argv[1].substr(3, argv[1].size() - 4)};
  }
  if (!have_vsockexec && argv.size() == 3 && argv[1] == "-c") argv[2] = without_vsockexec(argv[2]);
  return agent;
}

}  // namespace

InitOptions parse_init_options(Arguments arguments, const InitSurroundings& around) {
  InitOptions options;
  const size_t ours = arguments.size() - count_kernel_words(arguments.size(), around.kernel_line);
  while (!arguments.empty() && (arguments.size() > ours || !begins_command(arguments.front(), around))) {
    take_argument(arguments, options, around);
  }
  options.agent = agent_of(arguments, around);
  return options;
}

std::optional<std::string_view> kernel_argument(std::string_view command_line, std::string_view name) {
  std::optional<std::string_view> found;
  for (;;) {
    const std::string_view word = take_kernel_word(command_line);
    if (word.empty() || word == "--") return found;
    if (word.starts_with(name) && word.size() > name.size() && word[name.size()] == '=') {
      found = word.substr(name.size() + 1);
    }
  }
}

std::string_view take_kernel_word(std::string_view& command_line) {
  constexpr std::string_view kSpace = " \t\n";
  command_line.remove_prefix(std::min(command_line.find_first_not_of(kSpace), command_line.size()));
  size_t end = 0;
  for (bool quoted = false; end < command_line.size(); ++end) {
    if (command_line[end] == '"') quoted = !quoted;
    if (!quoted && kSpace.find(command_line[end]) != kSpace.npos) break;
  }
  const std::string_view word = command_line.substr(0, end);
  command_line.remove_prefix(end);
  return word;
}

}  // namespace gcs
