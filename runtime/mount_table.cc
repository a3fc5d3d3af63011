#include "runtime/mount_table.h"

#include <sys/mount.h>

#include <algorithm>

#include "stdio/io/fd.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

/// The kernel writes space, tab, newline and backslash as \ooo.
std::string unescaped(std::string_view text) {
  auto digit = [&](size_t at) { return at < text.size() && text[at] >= '0' && text[at] <= '7' ? text[at] - '0' : -1; };
  std::string plain;
  for (size_t at = 0; at < text.size(); ++at) {
    const bool escape = text[at] == '\\' && digit(at + 1) >= 0 && digit(at + 2) >= 0 && digit(at + 3) >= 0;
    if (!escape) {
      plain += text[at];
      continue;
    }
    plain += static_cast<char>(digit(at + 1) * 64 + digit(at + 2) * 8 + digit(at + 3));
    at += 3;
  }
  return plain;
}

std::string_view word(std::string_view line, size_t index) {
  for (; index > 0; --index) {
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return {};
    line.remove_prefix(space + 1);
  }
  return line.substr(0, line.find(' '));
}

}  // namespace

std::vector<std::string> mount_points_in(std::string_view mountinfo, const std::string& dir) {
  constexpr size_t kMountPoint = 4;  // proc_pid_mountinfo(5), counted from 0
  std::vector<std::string> found;
  while (!mountinfo.empty()) {
    const size_t end = std::min(mountinfo.find('\n'), mountinfo.size());
    std::string point = unescaped(word(mountinfo.substr(0, end), kMountPoint));
    mountinfo.remove_prefix(std::min(end + 1, mountinfo.size()));
    if (point == dir || point.starts_with(dir + "/")) found.push_back(std::move(point));
  }
  return found;
}

Result<> unmount_tree(const std::string& dir) {
  const auto table = io::read_file("/proc/self/mountinfo", kMaxMountTable);
  if (!table) return table.error();
  const auto points = mount_points_in(*table, dir);
  Result<> result;
  for (auto point = points.rbegin(); point != points.rend(); ++point) {
    if (::umount2(point->c_str(), UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL || errno == ENOENT) continue;  // it went with another
    const Error error = sys_error("unmount " + *point);
    const bool hidden = errno == EBUSY && ::umount2(point->c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) == 0;
    if (hidden) log::warn("mount in use, ends with its last user", {{"path", *point}});
    if (!hidden && result) result = error;
  }
  return result;
}

}  // namespace gcs::runtime
