#include "runtime/mount_target.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <memory>

#include "runtime/mount.h"
#include "runtime/safe_path.h"

namespace gcs::runtime {
namespace {

constexpr int kRaces = 128;  // with somebody who removes what is empty

/// openat2(2) with no symlink on the way, nor at its end (which O_NOFOLLOW would make ENOTDIR of). Mounts are entered:
/// layers and disks lie below each other.
Result<io::Fd> open_unfollowed(int dir, const std::string& name, const std::string& shown, int flags) {
  open_how how{};
  how.flags = static_cast<uint64_t>(flags | O_CLOEXEC);
  how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    io::Fd fd(static_cast<int>(::syscall(SYS_openat2, dir, name.c_str(), &how, sizeof how)));
    if (fd) return fd;
    if (errno == ELOOP) return Error(Errc::invalid_argument, shown + ": a symlink is on the way", ELOOP);
    if (errno != EAGAIN && errno != EINTR) return sys_error("open " + shown);
  }
}

Result<io::Fd> open_or_make(const std::shared_ptr<io::Fd>& parent, const std::string& name, const std::string& shown,
                            unsigned mode, Undo& undo) {
  auto dir = open_unfollowed(parent->get(), name, shown, O_PATH | O_DIRECTORY);
  if (dir || dir.error().sys_errno() != ENOENT) return dir;
  if (::mkdirat(parent->get(), name.c_str(), mode) == 0) {
    undo.add([parent, name] { ::unlinkat(parent->get(), name.c_str(), AT_REMOVEDIR); });
    dir = open_unfollowed(parent->get(), name, shown, O_PATH | O_DIRECTORY);
    // Through /proc, for O_PATH allows no fchmod; the umask is thereby of no effect.
    if (dir) ::chmod(proc_fd_path(dir->get()).c_str(), mode);
    return dir;
  }
  if (errno != EEXIST) return sys_error("make " + shown);
  return open_unfollowed(parent->get(), name, shown, O_PATH | O_DIRECTORY);
}

Result<std::shared_ptr<io::Fd>> shared(Result<io::Fd> fd) {
  if (!fd) return fd.error();
  return std::make_shared<io::Fd>(std::move(*fd));
}

Result<std::shared_ptr<io::Fd>> make_dirs_once(const std::string& path, unsigned mode, Undo& undo) {
  auto dir = shared(open_unfollowed(AT_FDCWD, "/", "/", O_PATH | O_DIRECTORY));
  for (size_t at = 1; dir && at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    dir = shared(open_or_make(*dir, path.substr(at, end - at), path.substr(0, end), mode, undo));
    at = end + 1;
  }
  return dir;
}

/// For umount2(2) a path that ends in a slash is that of what it leads to, whatever the flags: of "/" it makes a
/// read-only file system.
Result<std::string> name_of(const std::string& path) {
  std::string name = path.substr(path.rfind('/') + 1);
  if (name.empty()) return Error(Errc::invalid_argument, "\"" + path + "\" is the root directory");
  return name;
}

}  // namespace

std::string Place::through() const {
  return proc_fd_path(parent.get()) + "/" + name;
}

Result<io::Fd> make_dirs_unfollowed(const std::string& path, unsigned mode, Undo& undo) {
  auto dir = make_dirs_once(path, mode, undo);
  for (int races = 1; races < kRaces && !dir && dir.error().sys_errno() == ENOENT; ++races) {
    dir = make_dirs_once(path, mode, undo);
  }
  if (!dir) return dir.error();
  // Undo steps may share it: this one is the caller's own.
  io::Fd own(::fcntl((*dir)->get(), F_DUPFD_CLOEXEC, 0));
  if (!own) return sys_error("open " + path);
  return own;
}

Result<Place> find_place(const std::string& path) {
  auto name = name_of(path);
  if (!name) return name.error();
  auto parent = open_unfollowed(AT_FDCWD, parent_of(path), path, O_PATH | O_DIRECTORY);
  if (!parent) return parent.error();
  return Place{std::move(*parent), std::move(*name), path};
}

Result<Place> make_place(const std::string& path, unsigned mode, Undo& undo) {
  auto name = name_of(path);
  if (!name) return name.error();
  auto parent = make_dirs_unfollowed(parent_of(path), mode, undo);
  if (!parent) return parent.error();
  return Place{std::move(*parent), std::move(*name), path};
}

Result<io::Fd> make_dir_at(const Place& place, unsigned mode, Undo& undo) {
  auto parent = shared(io::Fd(::fcntl(place.parent.get(), F_DUPFD_CLOEXEC, 0)));
  return open_or_make(*parent, place.name, place.path, mode, undo);
}

Result<io::Fd> open_at(const Place& place, int flags) {
  return open_unfollowed(place.parent.get(), place.name, place.path, flags);
}

Result<> require_unmounted(const Place& place) {
  const auto mounted = is_mount_point(place.through());
  if (!mounted) return mounted.error();
  if (*mounted) return Error(Errc::already_exists, place.path + " is mounted already");
  return {};
}

Result<> unmount_at(const Place& place) {
  const auto done = unmount_all(place.through());
  if (done) return {};
  return sys_error("unmount " + place.path, done.error().sys_errno());
}

Result<> unmount_and_remove(const std::string& path) {
  const auto place = find_place(path);
  if (!place && place.error().code() == Errc::not_found) return {};
  if (!place) return place.error();
  const auto unmounted = unmount_at(*place);
  if (!unmounted) return unmounted;
  return remove_tree_at(place->parent.get(), place->name, path);
}

}  // namespace gcs::runtime
