#include "runtime/storage/device_mount.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "runtime/mount.h"
#include "runtime/mount_target.h"
#include "runtime/safe_path.h"
#include "runtime/storage/block_device.h"
#include "runtime/storage/filesystem_probe.h"

namespace gcs::storage {
namespace {

using runtime::Place;
using runtime::Undo;

constexpr std::array<std::string_view, 5> kFilesystems = {"ext4", "xfs", "squashfs", "erofs", "btrfs"};

Result<std::string> filesystem_of(const DeviceMount& mount) {
  if (!mount.filesystem.empty()) return mount.filesystem;
  auto found = probe_device(mount.node);
  if (!found) return found.error();
  if (found->kind == Found::Kind::filesystem) return std::move(found->name);
  return Error(Errc::unsupported, mount.node + " has no file system, but " + found->name);
}

/// What keeps a read-only mount from writing to the disk: a journal would be replayed.
const char* without_journal(const std::string& filesystem) {
  if (filesystem == "ext4") return "noload";
  if (filesystem == "xfs") return "norecovery";
  return "";
}

Result<> set_propagation(const Place& place, const std::vector<unsigned long>& flags) {
  if (flags.empty()) return {};
  const auto root = runtime::open_at(place, O_PATH);
  if (!root) return root.error();
  for (const unsigned long flag : flags) {
    if (::mount(nullptr, runtime::proc_fd_path(root->get()).c_str(), nullptr, flag, nullptr) != 0) {
      return sys_error("set the propagation of " + place.path);
    }
  }
  return {};
}

Result<> mount_at(const Place& place, const io::Fd& dir, const DeviceMount& mount, const std::string& filesystem) {
  const bool read_only = mount.read_only || (mount.options.flags & MS_RDONLY) != 0;
  const unsigned long flags = mount.options.flags | (read_only ? static_cast<unsigned long>(MS_RDONLY) : 0);
  const char* data = read_only ? without_journal(filesystem) : "";
  const std::string onto = runtime::proc_fd_path(dir.get());
  if (::mount(mount.node.c_str(), onto.c_str(), filesystem.c_str(), flags, data) == 0) return {};
  const int sys_errno = errno;
  const std::string doing = "mount " + mount.node + " at " + place.path + " as " + filesystem;
  if (sys_errno == ENODEV) return Error(Errc::unsupported, doing + ": the kernel does not have it", ENODEV);
  return device_error(doing, sys_errno);
}

/// A failure to write is told, but the mount goes all the same: what is left of it helps nobody.
Result<> write_out(const Place& place) {
  const auto root = runtime::open_at(place, O_RDONLY | O_DIRECTORY);
  if (!root) return {};
  if (::syncfs(root->get()) != 0) return device_error("write out " + place.path);
  return {};
}

}  // namespace

bool is_filesystem(std::string_view name) {
  return std::find(kFilesystems.begin(), kFilesystems.end(), name) != kFilesystems.end();
}

Result<> require_free_target(const std::string& target) {
  const auto place = runtime::find_place(target);
  if (!place && place.error().code() == Errc::not_found) return {};
  if (!place) return place.error();
  return runtime::require_unmounted(*place);
}

Result<> mount_device(const DeviceMount& mount) {
  const auto filesystem = filesystem_of(mount);
  if (!filesystem) return filesystem.error();
  Undo undo;
  const auto place = runtime::make_place(mount.target, 0700, undo);
  if (!place) return place.error();
  const auto free = runtime::require_unmounted(*place);
  if (!free) return free;
  const auto dir = runtime::make_dir_at(*place, 0700, undo);
  if (!dir) return dir.error();
  const auto mounted = mount_at(*place, *dir, mount, *filesystem);
  if (!mounted) return mounted;
  const auto shown = set_propagation(*place, mount.options.propagation);
  if (!shown) {
    discard(runtime::unmount_at(*place), "undoing");
    return shown;
  }
  undo.keep();
  return {};
}

Result<> unmount_device(const std::string& target) {
  Result<> written;
  {
    const auto place = runtime::find_place(target);
    if (!place && place.error().code() == Errc::not_found) return {};
    if (!place) return place.error();
    const auto mounted = runtime::is_mount_point(place->through());
    if (mounted && *mounted) written = write_out(*place);
  }
  const auto removed = runtime::unmount_and_remove(target);
  if (!removed) return removed;
  return written;
}

Result<> link_device(const std::string& node, const std::string& target) {
  Undo undo;
  const auto place = runtime::make_place(target, 0700, undo);
  if (!place) return place.error();
  if (::symlinkat(node.c_str(), place->parent.get(), place->name.c_str()) != 0) return sys_error("link " + target);
  undo.keep();
  return {};
}

Result<> unlink_device(const std::string& target) {
  const auto place = runtime::find_place(target);
  if (!place && place.error().code() == Errc::not_found) return {};
  if (!place) return place.error();
  struct stat status {};
  if (::fstatat(place->parent.get(), place->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return {};
    return sys_error("look at " + target);
  }
  if (!S_ISLNK(status.st_mode)) return Error(Errc::wrong_state, target + " is no link to a device");
  if (::unlinkat(place->parent.get(), place->name.c_str(), 0) != 0 && errno != ENOENT)
    return sys_error("unlink " + target);
  return {};
}

}  // namespace gcs::storage
