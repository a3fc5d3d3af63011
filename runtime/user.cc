#include "runtime/user.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

constexpr size_t kMaxFile = 4u << 20;

bool is_numeric(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

std::optional<uint32_t> to_id(std::string_view text) {
  uint32_t id = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), id);
  if (text.empty() || parsed.ec != std::errc() || parsed.ptr != text.data() + text.size()) return std::nullopt;
  return id;
}

std::string quoted(std::string_view text) {
  return "\"" + std::string(text.substr(0, 64)) + "\"";
}

/// The lines of a file of colon-separated fields, as passwd and group are.
class Table {
 public:
  Table(const std::string& rootfs, std::string name) : name_(std::move(name)) {
    auto read = read_file_in_root(rootfs, name_, kMaxFile);
    if (read) text_ = std::move(*read);
  }

  const std::string& name() const { return name_; }

  /// The lines whose field `index` is `value`.
  std::vector<std::string_view> find(size_t index, std::string_view value) const {
    std::vector<std::string_view> found;
    for (std::string_view rest = text_; !rest.empty();) {
      const size_t end = std::min(rest.find('\n'), rest.size());
      const std::string_view line = rest.substr(0, end);
      rest.remove_prefix(std::min(end + 1, rest.size()));
      if (field(line, index) == value) found.push_back(line);
    }
    return found;
  }

  static std::string_view field(std::string_view line, size_t index) {
    for (; index > 0; --index) {
      const size_t colon = line.find(':');
      if (colon == std::string_view::npos) return {};
      line.remove_prefix(colon + 1);
    }
    return line.substr(0, line.find(':'));
  }

  /// The one line of this name.
  Result<std::string_view> by_name(std::string_view name) const {
    const auto lines = find(0, name);
    if (lines.empty()) return Error(Errc::not_found, quoted(name) + " is not in the container's " + name_);
    if (lines.size() > 1) {
      return Error(Errc::invalid_argument, quoted(name) + " has several entries in the container's " + name_);
    }
    return lines.front();
  }

 private:
  std::string name_;
  std::string text_;
};

constexpr size_t kIdField = 2;  // in both files
constexpr size_t kPasswdGidField = 3;

Error out_of_range(std::string_view text) {
  return Error(Errc::invalid_argument, "user: " + quoted(text) + " is out of range");
}

Result<UserIds> user_part(const Table& passwd, std::string_view user) {
  UserIds ids;
  std::string_view line;
  if (is_numeric(user)) {
    const auto uid = to_id(user);
    if (!uid) return out_of_range(user);
    ids.uid = *uid;
    const auto lines = passwd.find(kIdField, std::to_string(*uid));
    if (lines.empty()) return ids;
    line = lines.front();
  } else {
    const auto found = passwd.by_name(user);
    if (!found) return found.error();
    line = *found;
    const auto uid = to_id(Table::field(line, kIdField));
    if (!uid) return out_of_range(Table::field(line, kIdField));
    ids.uid = *uid;
  }
  const auto gid = to_id(Table::field(line, kPasswdGidField));
  if (!gid) return out_of_range(Table::field(line, kPasswdGidField));
  ids.gid = *gid;
  return ids;
}

Result<uint32_t> group_part(const Table& groups, std::string_view group) {
  std::string_view id = group;
  if (!is_numeric(group)) {
    const auto line = groups.by_name(group);
    if (!line) return line.error();
    id = Table::field(*line, kIdField);
  }
  const auto gid = to_id(id);
  if (!gid) return out_of_range(id);
  return *gid;
}

}  // namespace

Result<UserIds> find_user(const std::string& rootfs, std::string_view text) {
  const size_t colon = text.find(':');
  const std::string_view user = text.substr(0, colon);
  if (user.empty()) return Error(Errc::invalid_argument, "user: " + quoted(text) + " names nobody");
  auto ids = user_part(Table(rootfs, "/etc/passwd"), user);
  if (!ids || colon == std::string_view::npos) return ids;
  const std::string_view group = text.substr(colon + 1);
  if (group.empty() || group.find(':') != std::string_view::npos) {
    return Error(Errc::invalid_argument, "user: " + quoted(text) + " is not user:group");
  }
  const auto gid = group_part(Table(rootfs, "/etc/group"), group);
  if (!gid) return gid.error();
  ids->gid = *gid;
  return ids;
}

}  // namespace gcs::runtime
