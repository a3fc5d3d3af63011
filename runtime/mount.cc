#include "runtime/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

constexpr int kMaxStacked = 5;

Result<> finish_bind(const std::string& target, bool read_only) {
  if (::mount(nullptr, target.c_str(), nullptr, MS_PRIVATE, nullptr) != 0) return sys_error("make private " + target);
  if (!read_only) return {};
  // Not a remount by mount(2): that would drop nosuid, nodev and the like, which the source may have.
  mount_attr attributes{};
  attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(AT_FDCWD, target.c_str(), 0, &attributes, sizeof attributes) != 0) {
    return sys_error("make read-only " + target);
  }
  return {};
}

}  // namespace

Result<bool> is_mount_point(const std::string& path) {
  struct statx status {};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return sys_error("look at " + path);
  }
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

Result<> bind_mount(const std::string& source, const std::string& target, bool read_only) {
  if (::mount(source.c_str(), target.c_str(), nullptr, MS_BIND, nullptr) != 0) {
    return sys_error("bind " + source + " to " + target);
  }
  const auto finished = finish_bind(target, read_only);
  if (!finished) ::umount2(target.c_str(), UMOUNT_NOFOLLOW);
  return finished;
}

Result<> unmount_all(const std::string& path) {
  for (int i = 0; i < kMaxStacked; ++i) {
    if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR) return {};
    return sys_error("unmount " + path);
  }
  return {};
}

Result<> unmount_and_remove(const std::string& path) {
  const auto unmounted = unmount_all(path);
  if (!unmounted) return unmounted;
  return remove_tree(path);
}

}  // namespace gcs::runtime
