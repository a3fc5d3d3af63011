#include "gcs/options.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <vector>

namespace gcs {
namespace {

struct Flag {
  std::string_view name;
  std::string_view value;  ///< what usage() calls it; empty: a boolean
  std::string_view help;
  bool (*set)(Options& options, std::string_view text);  ///< false: not a value of this flag

  bool is_bool() const { return value.empty(); }
};

bool set_bool(bool& to, std::string_view text) {
  for (const std::string_view word : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == word) return to = true;
  }
  for (const std::string_view word : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == word) return to = false, true;
  }
  return false;
}

/// Decimal, or with Go's prefixes 0x, 0o, 0b and 0.
template <class Int>
bool set_number(Int& to, std::string_view text) {
  int base = 10;
  if (text.size() > 1 && text[0] == '0') {
    const char mark = static_cast<char>(text[1] | 0x20);
    base = mark == 'x' ? 16 : mark == 'b' ? 2 : 8;
    text.remove_prefix(mark == 'x' || mark == 'b' || mark == 'o' ? 2 : 1);
  }
  Int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size()) return false;
  to = number;
  return true;
}

bool set_text(std::string& to, std::string_view text) {
  to = text;
  return true;
}

bool set_level(log::Level& to, std::string_view text) {
  std::string word(text);
  std::transform(word.begin(), word.end(), word.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? c | 0x20 : c; });
  struct Name {
    std::string_view word;
    log::Level level;
  };
  constexpr Name kNames[] = {
      {"trace", log::Level::trace},  {"debug", log::Level::debug},     {"info", log::Level::info},
      {"warn", log::Level::warning}, {"warning", log::Level::warning}, {"error", log::Level::error},
      {"fatal", log::Level::fatal},  {"panic", log::Level::fatal},
  };
  for (const Name& name : kNames) {
    if (word == name.word) return to = name.level, true;
  }
  return false;
}

/// Sets `to` to the value beside `text` in a short list.
template <class T>
bool set_choice(T& to, std::string_view text, std::initializer_list<std::pair<std::string_view, T>> choices) {
  for (const auto& [word, value] : choices) {
    if (text == word) return to = value, true;
  }
  return false;
}

bool set_transport(io::TransportName& to, std::string_view text) {
  auto name = io::parse_transport(std::string(text));
  if (!name) return false;
  to = *name;
  return true;
}

using Text = std::string_view;

constexpr Flag kFlags[] = {
    {"loglevel", "LEVEL", "trace, debug, info, warning, error, fatal or panic (default debug)",
     [](Options& o, Text t) { return set_level(o.log_level, t); }},
    {"logfile", "PATH", "log to this file, made anew, instead of stderr",
     [](Options& o, Text t) { return set_text(o.log_file, t); }},
    {"log-format", "FORMAT", "text or json (default text)",
     [](Options& o, Text t) {
       return set_choice(o.log_format, t, {{"text", log::Format::text}, {"json", log::Format::json}});
     }},
    {"kmsgLogLevel", "N",
     "log the kernel's messages of this priority or graver: 0 emergency, 4 warning, 7 debug (default 4)",
     [](Options& o, Text t) { return set_number(o.kmsg_log_level, t); }},
    {"core-dump-location", "PATTERN", "the kernel's core_pattern; empty leaves it as it is",
     [](Options& o, Text t) { return set_text(o.core_dump_location, t); }},
    {"use-inouterr", "", "the bridge runs over stdin and stdout",
     [](Options& o, Text t) { return set_bool(o.use_inouterr, t); }},
    {"v4", "", "serve the bridge protocol's version 4, the only one there is",
     [](Options& o, Text t) { return set_bool(o.v4, t); }},
    {"root-mem-reserve-bytes", "N", "memory that containers must leave to the rest of the VM (default 78643200)",
     [](Options& o, Text t) { return set_number(o.root_mem_reserve_bytes, t); }},
    {"gcs-mem-limit-bytes", "N",
     "a warning is logged when the agent and what it starts use more memory (default 52428800)",
     [](Options& o, Text t) { return set_number(o.gcs_mem_limit_bytes, t); }},
    {"disable-time-sync", "", "leave the clock alone: no chronyd, and no step after an outage",
     [](Options& o, Text t) { return set_bool(o.disable_time_sync, t); }},
    {"scrub-logs", "", "accepted; no effect: environments and command lines are never logged (default true)",
     [](Options& o, Text t) { return set_bool(o.scrub_logs, t); }},
    {"initial-policy-stance", "STANCE",
     "allow or deny; with deny the log is silent, and nothing that a policy is about is done, until one has come "
     "(default allow)",
     [](Options& o, Text t) {
       return set_choice(o.initial_policy_stance, t, {{"allow", PolicyStance::allow}, {"deny", PolicyStance::deny}});
     }},
    {"io", "ENGINE", "auto, uring or epoll (default auto)",
     [](Options& o, Text t) {
       using io::EngineKind;
       return set_choice(o.engine, t,
                         {{"auto", EngineKind::automatic}, {"uring", EngineKind::uring}, {"epoll", EngineKind::epoll}});
     }},
    {"transport", "NAME", "vsock, or unix:/path where port P of the host is the socket /path_P (default vsock)",
     [](Options& o, Text t) { return set_transport(o.transport, t); }},
    {"host-cid", "CID", "the host's vsock address (default 2)",
     [](Options& o, Text t) { return set_number(o.host_cid, t); }},
    {"oci-runtime", "PATH", "the OCI runtime (default: the first of crun and runc on PATH)",
     [](Options& o, Text t) { return set_text(o.oci_runtime, t); }},
    {"log-port", "PORT", "send the log, as JSON, to this port of the host instead of stderr; 0 does not (default 0)",
     [](Options& o, Text t) { return set_number(o.log_port, t); }},
    {"sequential", "", "handle one request at a time", [](Options& o, Text t) { return set_bool(o.sequential, t); }},
    {"version", "", "print the version and end",
     [](Options& o, Text t) {
       bool wanted = false;
       if (!set_bool(wanted, t)) return false;
       if (wanted) o.action = Options::Action::print_version;
       return true;
     }},
};

const Flag* find_flag(std::string_view name) {
  for (const Flag& flag : kFlags) {
    if (flag.name == name) return &flag;
  }
  return nullptr;
}

Error bad(std::string_view problem, std::string_view name) {
  return Error(Errc::invalid_argument, std::string(problem) + ": -" + std::string(name));
}

/// One argument taken apart; `value` is what follows `=`, if anything does.
struct Word {
  std::string_view name;
  std::optional<std::string_view> value;
};

std::optional<Word> split(std::string_view argument) {
  argument.remove_prefix(argument.substr(0, 2) == "--" ? 2 : 1);
  if (argument.empty() || argument[0] == '-' || argument[0] == '=') return std::nullopt;
  const size_t equals = argument.find('=');
  if (equals == argument.npos) return Word{argument, std::nullopt};
  return Word{argument.substr(0, equals), argument.substr(equals + 1)};
}

}  // namespace

Result<Options> parse_options(std::span<const std::string_view> arguments) {
  Options options;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view argument = arguments[i];
    if (argument.size() < 2 || argument[0] != '-' || argument == "--") {
      const auto rest = arguments.subspan(argument == "--" ? i + 1 : i);
      options.ignored.assign(rest.begin(), rest.end());
      break;
    }
    const auto word = split(argument);
    if (!word) return Error(Errc::invalid_argument, "bad flag syntax: " + std::string(argument));
    if (word->name == "h" || word->name == "help") {
      options.action = Options::Action::print_usage;
      return options;
    }
    const Flag* flag = find_flag(word->name);
    if (flag == nullptr) return bad("unknown flag", word->name);

    std::string_view value = word->value.value_or("true");
    if (!word->value && !flag->is_bool()) {
      if (++i == arguments.size()) return bad("flag needs a value", word->name);
      value = arguments[i];
    }
    if (!flag->set(options, value)) {
      return bad("bad value \"" + std::string(value) + "\" for flag", word->name);
    }
  }
  return options;
}

Result<Options> parse_options(int argc, char** argv) {
  std::vector<std::string_view> arguments;
  for (int i = 1; i < argc; ++i) arguments.emplace_back(argv[i]);
  return parse_options(arguments);
}

std::string usage() {
  std::string text = "usage: gcs [flags]        the agent\n       gcs init [arguments]  PID 1 of an image\n\n";
  for (const Flag& flag : kFlags) {
    text += "  -";
    text += flag.name;
    if (!flag.is_bool()) (text += ' ') += flag.value;
    ((text += "\n        ") += flag.help) += '\n';
  }
  return text;
}

}  // namespace gcs
