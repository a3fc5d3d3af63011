#include "runtime/held_volumes.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "runtime/mount_table.h"
#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

/// A directory or a file, as the source is.
Result<> make_target(const std::string& target, const io::Fd& source) {
  struct stat status {};
  if (::fstat(source.get(), &status) != 0) return sys_error("look at a volume");
  if (S_ISDIR(status.st_mode)) return make_dirs(target, 0700);
  return io::write_file(target, "", O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
}

}  // namespace

Result<std::string> hold_volume(const std::string& dir, const std::string& name, const io::Fd& source) {
  const std::string target = dir + "/" + name;
  const auto parent = make_dirs(dir, 0700);
  if (!parent) return parent.error();
  const auto made = make_target(target, source);
  if (!made) return made.error();
  if (::mount(proc_fd_path(source.get()).c_str(), target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
    return sys_error("hold a volume");
  }
  return target;
}

Result<> release_volumes(const std::string& dir) {
  const auto table = io::read_file("/proc/self/mountinfo", kMaxMountTable);
  if (!table) return table.error();
  for (const std::string& point : mount_points_in(*table, dir)) {
    if (parent_of(point) != dir) continue;  // below a volume: it goes with that
    // Else what is mounted in the volume would be unmounted in the pod as well.
    ::mount(nullptr, point.c_str(), nullptr, MS_PRIVATE | MS_REC, nullptr);
    if (::umount2(point.c_str(), UMOUNT_NOFOLLOW | MNT_DETACH) != 0) return sys_error("release " + point);
  }
  return remove_tree(dir);
}

}  // namespace gcs::runtime
