#include "gcs/init_mounts.h"

#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include "stdio/io/log.h"

namespace gcs {
namespace {

constexpr unsigned long kPlain = MS_NODEV | MS_NOSUID | MS_NOEXEC;

constexpr MountPoint kMounts[] = {
    {"dev", "/dev", "devtmpfs", MS_NOSUID | MS_NOEXEC, ""},
    {"proc", "/proc", "proc", kPlain, ""},
    {"run", "/run", "tmpfs", kPlain, "mode=0755"},
    {"tmp", "/tmp", "tmpfs", kPlain, ""},
    {"shm", "/dev/shm", "tmpfs", kPlain, ""},
    {"devpts", "/dev/pts", "devpts", MS_NOSUID | MS_NOEXEC, ""},
    {"sysfs", "/sys", "sysfs", kPlain, ""},
};

struct Link {
  const char* path;
  const char* to;
};

constexpr Link kLinks[] = {
    {"/dev/fd", "/proc/self/fd"},
    {"/dev/stdin", "/proc/self/fd/0"},
    {"/dev/stdout", "/proc/self/fd/1"},
    {"/dev/stderr", "/proc/self/fd/2"},
};

// 40 % of memory, as hosts expect of the Go image's init. Programs may be run from /var, and from nowhere else here.
constexpr MountPoint kWritable[] = {
    {"over", "/run/over", "tmpfs", kPlain, "size=40%,mode=0755"},
    {"overlay", "/etc", "overlay", kPlain, "lowerdir=/etc,upperdir=/run/over/etc/upper,workdir=/run/over/etc/work"},
    {"overlay", "/var", "overlay", MS_NODEV | MS_NOSUID,
     "lowerdir=/var,upperdir=/run/over/var/upper,workdir=/run/over/var/work"},
};

Result<> mount_layer(const MountPoint& layer) {
  const std::string home = std::string(kWritable[0].target) + layer.target;
  for (const std::string& directory : {home, home + "/upper", home + "/work"}) {
    if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return sys_error("mkdir " + directory);
  }
  return mount_at(layer);
}

}  // namespace

std::span<const MountPoint> init_mounts() {
  return kMounts;
}

std::span<const MountPoint> writable_mounts() {
  return kWritable;
}

Result<> mount_at(const MountPoint& mount) {
  const std::string doing = std::string("mount ") + mount.target;
  if (::mkdir(mount.target, 0755) != 0 && errno != EEXIST) return sys_error(doing);
  if (::mount(mount.source, mount.target, mount.type, mount.flags, mount.data) != 0 && errno != EBUSY) {
    return sys_error(doing);
  }
  return {};
}

void mount_file_systems() {
  for (const MountPoint& mount : kMounts) {
    if (const auto done = mount_at(mount); !done) log::error("init", {{"error", done.error().message()}});
  }
  for (const Link& link : kLinks) {
    if (::symlink(link.to, link.path) != 0 && errno != EEXIST) {
      log::error("init", {{"error", sys_error(std::string("link ") + link.path).message()}});
    }
  }
}

void make_writable() {
  const auto complain = [](const Error& error) { log::error("init", {{"error", error.message()}}); };
  if (const auto done = mount_at(kWritable[0]); !done) return complain(done.error());
  for (const MountPoint& layer : writable_mounts().subspan(1)) {
    if (const auto done = mount_layer(layer); !done) complain(done.error());
  }
}

}  // namespace gcs
