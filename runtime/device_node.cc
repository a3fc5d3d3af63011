#include "runtime/device_node.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <algorithm>
#include <array>
#include <memory>

namespace gcs::runtime {
namespace {

constexpr size_t kMaxDevices = 4096;
constexpr size_t kMaxDepth = 16;

/// What a container gets a fresh one of, or must not share.
constexpr std::array<std::string_view, 7> kOwn = {"pts", "shm", "fd", "mqueue", "console", ".udev", ".lxc"};

struct Free {
  void operator()(char* text) const { ::free(text); }
};

std::string real_path(const std::string& path) {
  const std::unique_ptr<char, Free> real(::realpath(path.c_str(), nullptr));
  return real == nullptr ? std::string() : std::string(real.get());
}

void collect(const std::string& dir, size_t depth, std::vector<DeviceNode>& found) {
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> entries(::opendir(dir.c_str()));
  if (entries == nullptr) return;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || std::find(kOwn.begin(), kOwn.end(), name) != kOwn.end()) continue;
    if (found.size() >= kMaxDevices) return;
    const std::string path = dir + "/" + name;
    struct stat status {};
    if (::lstat(path.c_str(), &status) != 0) continue;
    if (S_ISDIR(status.st_mode) && depth < kMaxDepth) collect(path, depth + 1, found);
    auto node = device_at(path);
    if (node && (node->major != 0 || node->minor != 0)) found.push_back(std::move(*node));
  }
}

}  // namespace

Result<DeviceNode> device_at(const std::string& path) {
  struct stat status {};
  if (::lstat(path.c_str(), &status) != 0) return sys_error("look at " + path);
  if (!S_ISCHR(status.st_mode) && !S_ISBLK(status.st_mode)) {
    return Error(Errc::invalid_argument, path + " is no device");
  }
  DeviceNode node;
  node.path = path;
  node.type = S_ISBLK(status.st_mode) ? 'b' : 'c';
  node.major = ::major(status.st_rdev);
  node.minor = ::minor(status.st_rdev);
  node.uid = status.st_uid;
  node.gid = status.st_gid;
  return node;
}

std::vector<DeviceNode> devices_below(const std::string& dir) {
  std::vector<DeviceNode> found;
  collect(dir, 0, found);
  std::sort(found.begin(), found.end(), [](const DeviceNode& a, const DeviceNode& b) { return a.path < b.path; });
  return found;
}

bool is_of(const DeviceNode& node, const std::string& device_dir, const std::string& sys_dev) {
  const std::string link = sys_dev + (node.type == 'b' ? "/block/" : "/char/") + std::to_string(node.major) + ":" +
                           std::to_string(node.minor);
  const std::string real = real_path(link);
  return !real.empty() && (real == device_dir || real.starts_with(device_dir + "/"));
}

}  // namespace gcs::runtime
