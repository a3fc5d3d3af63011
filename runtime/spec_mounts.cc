#include "runtime/spec_mounts.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>

#include "runtime/held_volumes.h"
#include "runtime/safe_path.h"
#include "runtime/spec_devices.h"
#include "runtime/spec_json.h"

namespace gcs::runtime {
namespace {

constexpr std::string_view kSandbox = "sandbox://";
constexpr std::string_view kSandboxTmpfs = "sandbox-tmp://";
constexpr std::string_view kHugepages = "hugepages://";
constexpr std::string_view kUvm = "uvm://";
constexpr std::string_view kBlockDevice = "blockdev://";

constexpr unsigned kVolumeMode = 0777;

/// What is behind the prefix, as a clean path; "sandbox://a" and "sandbox:///a" are the same.
Result<std::string> path_behind(std::string_view prefix, const std::string& text) {
  return clean_path("source", "/" + text.substr(prefix.size()));
}

/// The volume, made where there is nothing.
Result<io::Fd> volume(const std::string& root, const std::string& path) {
  auto there = open_in_root(root, path, O_PATH);
  if (there || there.error().sys_errno() != ENOENT) return there;
  return make_dirs_in_root(root, path, kVolumeMode);
}

bool is_hugetlbfs(const io::Fd& fd) {
  struct statfs status {};
  return ::fstatfs(fd.get(), &status) == 0 && status.f_type == HUGETLBFS_MAGIC;
}

bool is_page_size(std::string_view text) {
  const bool unit = !text.empty() && std::string_view("KMG").find(text.back()) != std::string_view::npos;
  if (!unit || text.size() < 2 || text.size() > 8) return false;
  text.remove_suffix(1);
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// Of two containers that want the same volume at once the later one would hide the other's. Held until it is closed;
/// it is on a directory that no container has.
Result<io::Fd> lock(const std::string& root) {
  auto dir = io::open_file(root, O_RDONLY | O_DIRECTORY);
  if (!dir) return dir;
  while (::flock(dir->get(), LOCK_EX) != 0) {
    if (errno != EINTR) return sys_error("lock " + root);
  }
  return dir;
}

Result<io::Fd> hugepages_volume(const std::string& root, const std::string& path) {
  const std::string size = path.substr(1, path.find('/', 1) - 1);
  if (!is_page_size(size))
    return Error(Errc::invalid_argument, "source: \"" + size.substr(0, 64) + "\" is no page size");
  const auto turn = lock(root);
  if (!turn) return turn.error();
  auto dir = volume(root, path);
  if (!dir || is_hugetlbfs(*dir)) return dir;
  const std::string options = "pagesize=" + size;
  if (::mount("hugetlbfs", proc_fd_path(dir->get()).c_str(), "hugetlbfs", MS_NOSUID | MS_NODEV, options.c_str()) != 0) {
    return sys_error("mount hugetlbfs with " + options);
  }
  return open_in_root(root, path, O_PATH);  // what is mounted, not what it hides
}

Result<> use_uvm_path(Json& mount, const std::string& source) {
  auto path = clean_path("source", source.substr(kUvm.size()));
  if (!path) return path.error();
  struct stat status {};
  if (::stat(path->c_str(), &status) != 0) return sys_error("source " + *path + " of the VM");
  mount["source"] = std::move(*path);
  return {};
}

bool has_option(const Json& mount, const char* wanted) {
  const Json& options = member(mount, "options");
  return std::find(options.begin(), options.end(), wanted) != options.end();
}

/// The source is a link to the device's node, which the host's disk request has made.
Result<> use_block_device(Json& spec, Json& mount, const std::string& destination) {
  auto target = clean_path("destination", destination.substr(kBlockDevice.size()));
  if (!target) return target.error();
  const std::string source = string_member(mount, "source");
  const io::Fd fd(::open(source.c_str(), O_PATH | O_CLOEXEC));
  if (!fd) return sys_error("source " + source);
  const std::string link = proc_fd_path(fd.get());
  char real[PATH_MAX];
  const ssize_t size = ::readlink(link.c_str(), real, sizeof real);
  if (size < 0) return sys_error("source " + source);
  const auto node = device_at(std::string(real, static_cast<size_t>(size)));
  if (!node) return node.error().within("source " + source);
  const bool read_only = has_option(mount, "ro");
  mount["destination"] = std::move(*target);
  allow_device(spec, *node, read_only ? "r" : "rwm");
  return {};
}

struct Prefix {
  std::string_view text;
  const std::string PodPaths::*root;
  Result<io::Fd> (*open)(const std::string& root, const std::string& path);
};

constexpr Prefix kVolumes[] = {{kSandbox, &PodPaths::mounts, volume},
                               {kSandboxTmpfs, &PodPaths::tmpfs, volume},
                               {kHugepages, &PodPaths::hugepages, hugepages_volume}};

/// True when a volume is now held as `name` in `hold_dir`.
Result<bool> resolve(Json& spec, Json& mount, const PodPaths& pod, const std::string& hold_dir,
                     const std::string& name) {
  const std::string source = string_member(mount, "source");
  for (const Prefix& prefix : kVolumes) {
    if (!source.starts_with(prefix.text)) continue;
    const auto path = path_behind(prefix.text, source);
    if (!path) return path.error();
    const auto found = prefix.open(pod.*prefix.root, *path);
    if (!found) return found.error();
    auto held = hold_volume(hold_dir, name, *found);
    if (!held) return held.error();
    mount["source"] = std::move(*held);
    return true;
  }
  Result<> used;
  const std::string destination = string_member(mount, "destination");
  if (source.starts_with(kUvm)) used = use_uvm_path(mount, source);
  if (used && destination.starts_with(kBlockDevice)) used = use_block_device(spec, mount, destination);
  if (!used) return used.error();
  return false;
}

}  // namespace

Result<bool> resolve_mounts(Json& spec, const PodPaths& pod, const std::string& hold_dir) {
  bool any = false;
  Json mounts = std::move(array_member(spec, "mounts"));
  for (size_t i = 0; i < mounts.size(); ++i) {
    const auto held = resolve(spec, mounts[i], pod, hold_dir, std::to_string(i));
    if (!held) {
      discard(release_volumes(hold_dir), "undoing");
      return held.error().within("OciSpecification.mounts[" + std::to_string(i) + "]");
    }
    any = any || *held;
  }
  spec["mounts"] = std::move(mounts);
  return any;
}

}  // namespace gcs::runtime
