#include "tests/host/options.h"

#include <algorithm>
#include <charconv>
#include <functional>

namespace gcs::host {
namespace {

constexpr std::string_view kUsage = R"(gcs-host: the host's side of a gcs guest

  gcs-host [-transport T] [-socket PATH] [-io auto|uring|epoll] [-v] COMMAND …

  serve                        hold the bridge and lend it to the commands below
  run [FLAGS] [--] CMD…        a container: create, start, attach, delete; exits as it does
      --layer DIR              a layer, as a path in the guest; the topmost first
      -i -t -e K=V -w DIR      input, terminal, environment, working directory
      --name ID --hostname H --memory N[k|m|g] --ro --network ID --annotation K=V
      --mount SOURCE,DESTINATION[,ro]   of the guest's, or sandbox://, sandbox-tmp://, hugepages://2M/
      --sandbox, --pod ID      the sandbox of a pod; a workload of the pod whose sandbox is ID
      --rm (default), --keep   what is left of it afterwards
      --save FILE              what a successor needs (of exec and uvm too): see resume
  exec [-i] [-t] [-e K=V] [-w DIR] ID CMD…    another process in a container
  uvm [-i] [-t] [-e K=V] [-w DIR] CMD…        a process in the VM itself
  resume FILE                  go on where a gcs-host with --save FILE was killed; exits as that one would have
  ps ID, stats ID              its processes, its resources
  shutdown [--force] ID        SIGTERM, or SIGKILL; delete ID frees what is left
  modify [--of ID] TYPE RESOURCE JSON         ModifySettings of the VM, or of a container: Add, Remove or Update,
                               say Network, and its settings
  stacks, poweroff             the guest's tasks; the end of the VM
  replay FILE…                 plays recorded conversations and compares the answers

  serve --ttrpc SOCK           a shim whose VM can move: bridge, containers, the Migration service
      --stdio DIR              their streams are the files ID.in, ID.out, ID.err there (default: here)
      --vm FILE --console FILE its VM is a QEMU as this document says, and its console; else it is somebody else's
      --bandwidth N[k|m|g]     how many bytes a second it sends when the VM moves
      --incoming               the VM comes from another shim, of the same kind
  start [FLAGS of run] SOCK ID CMD…           a container of that shim
  wait SOCK ID, signal SOCK ID N, remove SOCK ID, list SOCK
  migrate FROM TO              moves the VM from one shim to another, with its containers; Ctrl-C takes it back
      --cancel-at PHASE        so does this, as soon as either side tells of PHASE (SETUP_DONE, …)

T is unix:/path (port P is the socket /path_P) or vsock; default unix:/run/gcs-host/vm. Where a server listens on the
control socket (default /run/gcs-host/control, or $GCS_HOST_SOCKET) and no transport is named, commands use its bridge;
otherwise, and with --save or resume, each waits for the guest on a bridge of its own.
)";

Error bad(const std::string& text) {
  return Error(Errc::invalid_argument, text);
}

/// Walks over the arguments of one command.
class Arguments {
 public:
  explicit Arguments(const std::vector<std::string>& all) : all_(all) {}

  bool more() const { return at_ < all_.size(); }
  const std::string& peek() const { return all_[at_]; }
  std::string take() { return all_[at_++]; }
  std::vector<std::string> rest() {
    if (more() && peek() == "--") ++at_;
    const std::vector<std::string> left(all_.begin() + static_cast<std::ptrdiff_t>(at_), all_.end());
    at_ = all_.size();
    return left;
  }
  bool at_flag() const { return more() && peek().size() > 1 && peek()[0] == '-' && peek() != "--"; }

  /// The next flag without its dashes; a value behind "=" is put back as the next argument.
  std::string take_flag() {
    std::string flag = take();
    flag.erase(0, flag.starts_with("--") ? 2 : 1);
    const size_t equals = flag.find('=');
    attached_.clear();
    has_attached_ = equals != std::string::npos;
    if (has_attached_) {
      attached_ = flag.substr(equals + 1);
      flag.resize(equals);
    }
    return flag;
  }

  /// The value of the flag just taken.
  Result<std::string> value(const std::string& flag) {
    if (has_attached_) return std::exchange(attached_, std::string());
    if (!more()) return bad("-" + flag + " wants a value");
    return take();
  }

 private:
  const std::vector<std::string>& all_;
  size_t at_ = 0;
  std::string attached_;
  bool has_attached_ = false;
};

Result<int64_t> bytes_of(const std::string& text) {
  int64_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  const std::string unit(end, text.data() + text.size());
  const int shift = unit == "k" ? 10 : unit == "m" ? 20 : unit == "g" ? 30 : unit.empty() ? 0 : -1;
  if (failed != std::errc() || number <= 0 || shift < 0 || number > (INT64_MAX >> shift)) {
    return bad("\"" + text + "\" is no amount of bytes");
  }
  return number << shift;
}

Result<io::EngineKind> engine_of(const std::string& name) {
  if (name == "auto") return io::EngineKind::automatic;
  if (name == "uring") return io::EngineKind::uring;
  if (name == "epoll") return io::EngineKind::epoll;
  return bad("-io=" + name + " is none of auto, uring, epoll");
}

Result<> global_flag(const std::string& flag, Arguments& arguments, Options& options) {
  if (flag == "v") {
    options.verbose = true;
    return {};
  }
  if (flag != "transport" && flag != "socket" && flag != "io") return bad("unknown flag -" + flag);
  const auto value = arguments.value(flag);
  if (!value) return value.error();
  if (flag == "transport") {
    options.transport = *value;
    options.own_bridge = true;
  } else if (flag == "socket") {
    options.socket = *value;
  } else {
    const auto engine = engine_of(*value);
    if (!engine) return engine.error();
    options.engine = *engine;
  }
  return {};
}

using Setter = std::function<Result<>(Options&, const std::string&)>;

struct Flag {
  const char* commands;  ///< "run exec": who takes it
  const char* name;
  bool has_value;
  Setter set;
};

Result<> append(std::vector<std::string>& list, const std::string& value) {
  list.push_back(value);
  return {};
}

Result<> store(std::string& where, const std::string& value) {
  where = value;
  return {};
}

Result<> turn(bool& where, bool on) {
  where = on;
  return {};
}

Result<> set_bandwidth(Options& options, const std::string& value) {
  const auto bytes = bytes_of(value);
  if (!bytes) return bytes.error();
  options.bandwidth = static_cast<uint64_t>(*bytes);
  return {};
}

Result<> add_annotation(Options& options, const std::string& value) {
  const size_t equals = value.find('=');
  if (equals == std::string::npos || equals == 0) return bad("\"" + value + "\" is no K=V");
  options.container.annotations.emplace_back(value.substr(0, equals), value.substr(equals + 1));
  return {};
}

Result<> add_mount(Options& options, const std::string& value) {
  std::vector<std::string> parts;
  for (size_t begin = 0; begin <= value.size();) {
    const size_t comma = std::min(value.find(',', begin), value.size());
    parts.push_back(value.substr(begin, comma - begin));
    begin = comma + 1;
  }
  if (parts.size() < 2 || parts[0].empty() || parts[1].empty()) {
    return bad("\"" + value + "\" is no SOURCE,DESTINATION");
  }
  options.container.mounts.push_back({parts[0], parts[1], {parts.begin() + 2, parts.end()}});
  return {};
}

Result<> set_memory(Options& options, const std::string& value) {
  const auto bytes = bytes_of(value);
  if (!bytes) return bytes.error();
  options.container.memory_limit = *bytes;
  return {};
}

const std::vector<Flag>& flags() {
  using O = Options;
  using S = const std::string&;
  static const std::vector<Flag> list = {
      {"run exec uvm start", "i", false, [](O& o, S) { return turn(o.interactive, true); }},
      {"run exec uvm start", "t", false, [](O& o, S) { return turn(o.container.command.terminal, true); }},
      {"run exec uvm start", "e", true, [](O& o, S v) { return append(o.container.command.env, v); }},
      {"run exec uvm start", "w", true, [](O& o, S v) { return store(o.container.command.cwd, v); }},
      {"run exec uvm", "save", true, [](O& o, S v) { return store(o.save, v); }},
      {"run start", "layer", true, [](O& o, S v) { return append(o.container.layers, v); }},
      {"run", "name", true, [](O& o, S v) { return store(o.container.id, v); }},
      {"run start", "hostname", true, [](O& o, S v) { return store(o.container.hostname, v); }},
      {"run start", "memory", true, set_memory},
      {"run start", "network", true, [](O& o, S v) { return store(o.container.network, v); }},
      {"run", "annotation", true, add_annotation},
      {"run", "mount", true, add_mount},
      {"run", "sandbox", false, [](O& o, S) { return turn(o.container.sandbox, true); }},
      {"run", "pod", true, [](O& o, S v) { return store(o.container.pod, v); }},
      {"run start", "ro", false, [](O& o, S) { return turn(o.container.read_only, true); }},
      {"run", "rm", false, [](O& o, S) { return turn(o.keep, false); }},
      {"run", "keep", false, [](O& o, S) { return turn(o.keep, true); }},
      {"serve", "ttrpc", true, [](O& o, S v) { return store(o.ttrpc, v); }},
      {"serve", "stdio", true, [](O& o, S v) { return store(o.stdio, v); }},
      {"serve", "vm", true, [](O& o, S v) { return store(o.vm, v); }},
      {"serve", "console", true, [](O& o, S v) { return store(o.console, v); }},
      {"serve", "bandwidth", true, set_bandwidth},
      {"migrate", "cancel-at", true, [](O& o, S v) { return store(o.cancel_at, v); }},
      {"serve", "incoming", false, [](O& o, S) { return turn(o.incoming, true); }},
      {"modify", "of", true, [](O& o, S v) { return store(o.container.id, v); }},
      {"shutdown", "force", false, [](O& o, S) { return turn(o.force, true); }},
  };
  return list;
}

bool takes(const Flag& flag, const std::string& command) {
  return (" " + std::string(flag.commands) + " ").find(" " + command + " ") != std::string::npos;
}

Result<> command_flag(Arguments& arguments, Options& options) {
  const std::string name = arguments.take_flag();
  if (options.command == "serve" && (name == "v" || name == "socket" || name == "transport" || name == "io")) {
    return global_flag(name, arguments, options);
  }
  if (name == "socket" || name == "transport") return bad("-" + name + " goes before the command");
  for (const Flag& flag : flags()) {
    if (name != flag.name || !takes(flag, options.command)) continue;
    if (!flag.has_value) return flag.set(options, std::string());
    const auto value = arguments.value(name);
    if (!value) return value.error();
    return flag.set(options, *value);
  }
  if (name == "it" || name == "ti") {  // as everybody types it
    options.interactive = true;
    options.container.command.terminal = true;
    return {};
  }
  return bad("unknown flag -" + name + " of " + options.command);
}

/// How many shims a command speaks to.
size_t shims_of(const std::string& command) {
  if (command == "migrate") return 2;
  for (const char* name : {"start", "wait", "signal", "remove", "list"}) {
    if (command == name) return 1;
  }
  return 0;
}

Result<uint32_t> signal_of(const std::string& text) {
  uint32_t number = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failed != std::errc() || end != text.data() + text.size()) return bad("\"" + text + "\" is no signal's number");
  return number;
}

Result<> positionals(Arguments& arguments, Options& options) {
  const std::string& command = options.command;
  const bool takes_id = command == "exec" || command == "ps" || command == "stats" || command == "shutdown" ||
                        command == "delete" || command == "start" || command == "wait" || command == "signal" ||
                        command == "remove";
  const bool takes_program = command == "run" || command == "exec" || command == "uvm" || command == "start";
  for (size_t i = 0; i < shims_of(command); ++i) {
    if (!arguments.more()) return bad(command + " wants the socket of a shim");
    options.sockets.push_back(arguments.take());
  }
  if (takes_id) {
    if (!arguments.more()) return bad(command + " wants a container's id");
    options.container.id = arguments.take();
  }
  if (takes_program) {
    options.container.command.args = arguments.rest();
    if (options.container.command.args.empty()) return bad(command + " wants a command to run");
  }
  if (command == "resume") {
    if (!arguments.more()) return bad("resume wants a file");
    options.save = arguments.take();
  }
  while (command == "modify" && arguments.more()) options.modify.push_back(arguments.take());
  if (command == "modify" && options.modify.size() != 3) return bad("modify wants TYPE RESOURCE JSON");
  if (command == "replay") options.files = arguments.rest();
  if (command == "replay" && options.files.empty()) return bad("replay wants files");
  if (command == "signal") {
    if (!arguments.more()) return bad("signal wants a number");
    const auto number = signal_of(arguments.take());
    if (!number) return number.error();
    options.signal = *number;
  }
  if (options.ttrpc.empty() && (options.incoming || !options.vm.empty()))
    return bad("--vm and --incoming go with --ttrpc");
  if (options.vm.empty() && options.bandwidth != 0) return bad("--bandwidth goes with --vm");
  const bool creates = command == "run" || command == "start";
  if (creates && options.container.layers.empty()) return bad(command + " wants at least one --layer");
  if (options.container.sandbox && !options.container.pod.empty())
    return bad("a sandbox is a pod's first container, and no workload of one: --sandbox or --pod");
  if (!options.container.pod.empty() && !options.container.network.empty())
    return bad("a workload is in the network of its pod: no --network");
  if (arguments.more()) return bad(command + ": \"" + arguments.peek() + "\" is too much");
  if (!options.save.empty() && !options.socket.empty())
    return bad("what is saved or resumed has a bridge of its own, no -socket");
  return {};
}

bool known(const std::string& command) {
  for (const char* name :
       {"serve",  "run",      "exec",   "uvm",  "resume", "ps",   "stats",  "shutdown", "delete", "modify",
        "stacks", "poweroff", "replay", "help", "start",  "wait", "signal", "remove",   "list",   "migrate"}) {
    if (command == name) return true;
  }
  return false;
}

}  // namespace

std::string usage() {
  return std::string(kUsage);
}

Result<Options> parse_options(const std::vector<std::string>& arguments) {
  Arguments walk(arguments);
  Options options;
  while (walk.at_flag()) {
    if (walk.peek() == "-h" || walk.peek() == "--help") {
      options.command = "help";
      return options;
    }
    const std::string flag = walk.take_flag();
    const auto taken = global_flag(flag, walk, options);
    if (!taken) return taken.error();
  }
  if (!walk.more()) return bad("no command; try gcs-host help");
  options.command = walk.take();
  if (!known(options.command)) return bad("unknown command \"" + options.command + "\"; try gcs-host help");
  while (walk.at_flag()) {
    const auto taken = command_flag(walk, options);
    if (!taken) return taken.error();
  }
  const auto rest = positionals(walk, options);
  if (!rest) return rest.error();
  if (options.command == "run" && options.container.id.empty()) options.container.id = random_id();
  return options;
}

}  // namespace gcs::host
