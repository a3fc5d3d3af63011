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
    {"dev", "/dev", "devtmpfs", 0, ""},
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

// 40 % of memory, as hosts expect of the Go image's init.
constexpr MountPoint kOverlayHome = {"over", "/run/over", "tmpfs", MS_NODEV | MS_NOSUID, "size=40%,mode=0755"};

}  // namespace

std::span<const MountPoint> init_mounts() {
  return kMounts;
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

Result<> make_writable() {
  if (auto done = mount_at(kOverlayHome); !done) return done;
  for (const std::string path : {"/etc", "/var"}) {
    const std::string home = kOverlayHome.target + path;
    const std::string upper = home + "/upper";
    const std::string work = home + "/work";
    for (const std::string& directory : {home, upper, work}) {
      if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST) return sys_error("mkdir " + directory);
    }
    const std::string layers = "lowerdir=" + path + ",upperdir=" + upper + ",workdir=" + work;
    if (auto done = mount_at({"overlay", path.c_str(), "overlay", 0, layers.c_str()}); !done) return done;
  }
  return {};
}

}  // namespace gcs
