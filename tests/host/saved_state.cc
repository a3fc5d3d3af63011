#include "tests/host/saved_state.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <nlohmann/json.hpp>

#include "stdio/io/fd.h"
#include "tests/host/port_allocator.h"

namespace gcs::host {
namespace {

constexpr const char* kType = "gcs-host state";
constexpr int64_t kVersion = 1;
constexpr int64_t kMaxPort = UINT32_MAX;

Error malformed(const std::string& text) {
  return Error(Errc::malformed, text);
}

/// Takes members out of an object; the first that is not as it should be decides error().
class Reader {
 public:
  explicit Reader(const json& object) : object_(object) {}

  int64_t number(const char* name, int64_t least, int64_t most) {
    const json* found = member(object_, name);
    const bool fits = found != nullptr && found->is_number_integer();
    const int64_t value = fits ? found->get<int64_t>() : 0;
    if (!fits || value < least || value > most) note(name);
    return value;
  }

  bool flag(const char* name) {
    const json* found = member(object_, name);
    if (found == nullptr || !found->is_boolean()) note(name);
    return found != nullptr && found->is_boolean() && found->get<bool>();
  }

  std::string text(const char* name) {
    const std::string found = text_of(object_, name);
    if (found.empty()) note(name);
    return found;
  }

  /// 0 is for a stream that the process has not; the bridge's own port is nobody's.
  io::Port stream(const char* name) {
    const int64_t port = number(name, 0, kMaxPort);
    if (port != 0 && port <= kBridgePort) note(name);
    return static_cast<io::Port>(port);
  }

  Result<> outcome() const {
    if (wrong_.empty()) return {};
    return malformed(wrong_ + " is missing or out of its range");
  }

 private:
  void note(const char* name) {
    if (wrong_.empty()) wrong_ = name;
  }

  const json& object_;
  std::string wrong_;
};

/// The version comes first: of a newer state, nothing else is known.
Result<> check_kind(const json& object) {
  if (text_of(object, "Type") != kType) return malformed("this is not a state that gcs-host saved");
  const int64_t version = number_of(object, "Version");
  if (version > kVersion) {
    return Error(Errc::version, "the state is of version " + std::to_string(version) + ", newer than this gcs-host's " +
                                    std::to_string(kVersion));
  }
  if (version != kVersion) return malformed("Version is missing or out of its range");
  return {};
}

}  // namespace

std::string to_text(const SavedState& state) {
  nlohmann::ordered_json object;
  object["Type"] = kType;
  object["Version"] = kVersion;
  object["ContainerId"] = state.process.container;
  object["Init"] = state.init;
  object["Keep"] = state.keep;
  object["Terminal"] = state.terminal;
  object["ProcessId"] = state.process.pid;
  object["StdIn"] = state.process.ports.in;
  object["StdOut"] = state.process.ports.out;
  object["StdErr"] = state.process.ports.err;
  object["WaitCallId"] = state.process.wait_id;
  object["NextCallId"] = state.next_id;
  object["NextPort"] = state.next_port;
  return object.dump(2) + "\n";
}

Result<SavedState> parse_saved_state(std::string_view text) {
  const auto object = parse_json(text);
  if (!object) {
    if (text.empty()) return malformed("the state is empty");
    if (text.find(kType) != std::string_view::npos) return malformed("the state is cut short, or damaged");
    return malformed("this is not a state that gcs-host saved");
  }
  const auto kind = check_kind(*object);
  if (!kind) return kind.error();
  Reader reader(*object);
  SavedState state;
  state.process.container = reader.text("ContainerId");
  state.init = reader.flag("Init");
  state.keep = reader.flag("Keep");
  state.terminal = reader.flag("Terminal");
  state.process.pid = static_cast<uint32_t>(reader.number("ProcessId", 1, UINT32_MAX));
  StreamPorts& ports = state.process.ports;
  ports.in = reader.stream("StdIn");
  ports.out = reader.stream("StdOut");
  ports.err = reader.stream("StdErr");
  // Id 0 is always the negotiation's.
  state.process.wait_id = reader.number("WaitCallId", 1, INT64_MAX - 1);
  state.next_id = reader.number("NextCallId", state.process.wait_id + 1, INT64_MAX);
  const int64_t highest = std::max({ports.in, ports.out, ports.err, kBridgePort});
  state.next_port = static_cast<io::Port>(reader.number("NextPort", highest + 1, kMaxPort));
  const auto fine = reader.outcome();
  if (!fine) return fine.error();
  return state;
}

Result<> save(const std::string& path, const SavedState& state) {
  const std::string fresh = path + ".new";
  ::unlink(fresh.c_str());  // what a predecessor left that was killed over it
  const auto written = io::write_file(fresh, to_text(state), O_CREAT | O_EXCL, 0600);
  if (!written) return written;
  if (::rename(fresh.c_str(), path.c_str()) != 0) return sys_error("rename " + fresh);
  return {};
}

Result<SavedState> load(const std::string& path) {
  const auto text = io::read_file(path);
  if (!text) return text.error();
  auto state = parse_saved_state(*text);
  if (!state) return state.error().within(path);
  return state;
}

}  // namespace gcs::host
