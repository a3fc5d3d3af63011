#include "runtime/mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "stdio/io/fd.h"

namespace gcs::runtime {
namespace {

constexpr int kMaxStacked = 5;

}  // namespace

Result<bool> is_mount_point(const std::string& path) {
  struct statx status {};
  if (::statx(AT_FDCWD, path.c_str(), AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT, 0, &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return false;
    return sys_error("look at " + path);
  }
  return (status.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0;
}

/// The copy gets its attributes before it is attached, so nobody sees it without them. Set by themselves they also
/// leave nosuid, nodev and the like as the source has them, which a remount by mount(2) would drop.
Result<> bind_mount(const std::string& source, const std::string& target, bool read_only) {
  const std::string doing = "bind " + source + " to " + target;
  const io::Fd tree(::open_tree(AT_FDCWD, source.c_str(), OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC));
  if (!tree) return sys_error(doing);
  mount_attr attributes{};
  attributes.propagation = MS_PRIVATE;
  if (read_only) attributes.attr_set = MOUNT_ATTR_RDONLY;
  if (::mount_setattr(tree.get(), "", AT_EMPTY_PATH, &attributes, sizeof attributes) != 0) return sys_error(doing);
  const auto place = io::open_file(target, O_PATH);
  if (!place) return place.error().within(doing);
  constexpr unsigned kBoth = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;
  if (::move_mount(tree.get(), "", place->get(), "", kBoth) != 0) return sys_error(doing);
  return {};
}

Result<> unmount_all(const std::string& path) {
  for (int i = 0; i < kMaxStacked; ++i) {
    if (::umount2(path.c_str(), UMOUNT_NOFOLLOW) == 0) continue;
    if (errno == EINVAL || errno == ENOENT || errno == ENOTDIR) return {};
    return sys_error("unmount " + path);
  }
  return {};
}

}  // namespace gcs::runtime
