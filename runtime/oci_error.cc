#include "runtime/oci_error.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "stdio/io/fd.h"

namespace gcs::runtime {
namespace {

constexpr size_t kMaxText = 512;  // it is sent to the host twice, escaped
constexpr size_t kMaxLog = 64 * 1024;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

/// The msg="…" of a logrus text line, unquoted; the whole line if it is none.
std::string message_of(std::string_view line) {
  constexpr std::string_view kKey = "msg=\"";
  const size_t key = line.find(kKey);
  if (key == std::string_view::npos || !contains(line, "level=")) return std::string(line);
  std::string message;
  for (size_t i = key + kKey.size(); i < line.size() && line[i] != '"'; ++i) {
    if (line[i] == '\\' && i + 1 < line.size()) ++i;
    message += line[i];
  }
  return message;
}

/// The line that tells the failure: the last one of error level, else the last one.
std::string decisive(std::string_view text) {
  std::string_view last, error;
  for (std::string_view rest = text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const std::string_view line = trimmed(rest.substr(0, end));
    if (!line.empty()) last = line;
    if (contains(line, "level=error") || contains(line, "level=fatal")) error = line;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return message_of(error.empty() ? last : error);
}

/// Pairs of texts that a message must hold both of; the first row that fits decides. What each runtime says was seen by
/// running it (runc 1.1.5, crun 1.8.1), older wordings are those of wire.md 9.4.
struct Wording {
  std::string_view one, other;
  Errc code;
};

constexpr Wording kWordings[] = {
    {"error opening file `", "/status`: No such file", Errc::container_not_found},  // crun: its state file
    {"cannot open directory '", "/crun/", Errc::container_not_found},               // crun delete
    {"container with id exists", "", Errc::already_exists},
    {"container with given ID already exists", "", Errc::already_exists},
    {"container `", "` already exists", Errc::already_exists},
    {"invalid id format", "", Errc::invalid_argument},
    {"invalid container ID format", "", Errc::invalid_argument},
    {"cannot create state directory for `", "", Errc::invalid_argument},
    {"container", "that is not stopped", Errc::wrong_state},
    {"container still running", "", Errc::wrong_state},
    {"container `", "` is not in ", Errc::wrong_state},  // crun delete: "... `created` or `stopped` state"
    {"cannot start an already running container", "", Errc::wrong_state},
    {"/exec.fifo`: No such file", "", Errc::wrong_state},  // crun start, the second time
    {"container not running", "", Errc::already_stopped},
    {"cannot exec in a stopped container", "", Errc::already_stopped},
    {"cannot start a container that has stopped", "", Errc::already_stopped},
    {"container `", "` is not running", Errc::already_stopped},
    {"kill container: No such process", "", Errc::already_stopped},  // crun kill after the exit
    {"open pidfd: No such process", "", Errc::already_stopped},
};

/// "container … does not exist" as a whole, or behind "exec failed: " and the like; not a mount source that is missing.
bool says_absent(std::string_view message) {
  const size_t colon = message.rfind(": ");
  if (colon != std::string_view::npos) message.remove_prefix(colon + 2);
  return message.starts_with("container") && message.ends_with("does not exist");
}

Errc code_of(std::string_view message) {
  if (says_absent(message)) return Errc::container_not_found;
  for (const Wording& wording : kWordings) {
    if (contains(message, wording.one) && contains(message, wording.other)) return wording.code;
  }
  return Errc::internal;
}

/// Cuts between characters: half of one would spoil the JSON that carries it.
void cut(std::string& text) {
  if (text.size() <= kMaxText) return;
  size_t end = kMaxText;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
  text += "...";
}

bool is_error(const nlohmann::json& entry) {
  const auto level = entry.find("level");
  if (level == entry.end() || !level->is_string()) return false;
  const auto& name = level->get_ref<const std::string&>();
  return name == "error" || name == "fatal" || name == "panic";
}

Result<std::string> read_tail(const std::string& path) {
  auto fd = io::open_file(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  if (!fd) return fd.error();
  struct stat status {};
  if (::fstat(fd->get(), &status) != 0) return sys_error("stat " + path);
  const auto size = static_cast<size_t>(status.st_size);
  std::string text(std::min(size, kMaxLog), '\0');
  const size_t offset = size - text.size();
  size_t done = 0;
  while (done < text.size()) {
    const ssize_t n = ::pread(fd->get(), text.data() + done, text.size() - done, static_cast<off_t>(offset + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return sys_error("read " + path);
    if (n == 0) break;
    done += static_cast<size_t>(n);
  }
  text.resize(done);
  return text;
}

}  // namespace

Error error_of_runtime(std::string_view text) {
  std::string message = decisive(text);
  if (message.empty()) message = "the runtime failed and said nothing";
  const Errc code = code_of(message);
  cut(message);
  return Error(code, std::move(message));
}

std::optional<std::string> last_log_error(const std::string& path) {
  const auto text = read_tail(path);
  if (!text) return std::nullopt;
  std::optional<std::string> found;
  for (std::string_view rest = *text; !rest.empty();) {
    const size_t end = std::min(rest.find('\n'), rest.size());
    const auto entry = nlohmann::json::parse(rest.substr(0, end), nullptr, false);
    if (entry.is_object() && is_error(entry)) {
      const auto message = entry.find("msg");
      if (message != entry.end() && message->is_string()) found = message->get<std::string>();
    }
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return found;
}

}  // namespace gcs::runtime
