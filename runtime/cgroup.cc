#include "runtime/cgroup.h"

#include <dirent.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <memory>

#include "runtime/safe_path.h"
#include "stdio/io/fd.h"

namespace gcs::runtime {
namespace {

constexpr size_t kMaxProcs = 16u << 20;  // bytes of cgroup.procs: two million pids

std::vector<std::string> subdirectories(const std::string& dir) {
  std::vector<std::string> found;
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> entries(::opendir(dir.c_str()));
  if (entries == nullptr) return found;
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == "..") continue;
    struct stat status {};
    // Not by d_type alone; and a link ("cpu" to "cpu,cpuacct") is the same hierarchy again.
    if (::lstat((dir + "/" + name).c_str(), &status) == 0 && S_ISDIR(status.st_mode)) found.push_back(name);
  }
  return found;
}

/// `dir` and all below it, parents first.
std::vector<std::string> tree_of(const std::string& dir) {
  std::vector<std::string> tree = {dir};
  for (size_t i = 0; i < tree.size(); ++i) {
    const std::string parent = tree[i];
    for (const std::string& name : subdirectories(parent)) tree.push_back(parent + "/" + name);
  }
  return tree;
}

bool is_cgroup2(const std::string& path) {
  struct statfs status {};
  return ::statfs(path.c_str(), &status) == 0 && status.f_type == CGROUP2_SUPER_MAGIC;
}

bool is_directory(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// Whether `name`, as "cpu,cpuacct", is a hierarchy of `controller`.
bool serves(const std::string& name, const std::string& controller) {
  return ("," + name + ",").find("," + controller + ",") != std::string::npos;
}

/// A new cpuset has no processors and no memory, and takes no process, until it is given its parent's.
void inherit_cpuset(const std::string& parent, const std::string& child) {
  for (const char* file : {"/cpuset.cpus", "/cpuset.mems"}) {
    const auto own = io::read_file(child + file);
    if (!own || own->find_first_not_of(" \n") != std::string::npos) continue;
    const auto given = io::read_file(parent + file);
    if (given) discard(io::write_file(child + file, *given), "joining will tell");
  }
}

/// Lets the children of a version 2 cgroup have its controllers. One by one: some refuse where processes are.
void delegate(const std::string& dir) {
  const auto controllers = io::read_file(dir + "/cgroup.controllers");
  if (!controllers) return;
  std::string_view rest = *controllers;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find_first_of(" \n"), rest.size());
    const std::string name(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (!name.empty()) discard(io::write_file(dir + "/cgroup.subtree_control", "+" + name), "not every one can be had");
  }
}

void append_pids(std::string_view text, std::vector<uint32_t>& pids) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    uint32_t pid = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + end, pid);
    if (parsed.ec == std::errc() && pid != 0) pids.push_back(pid);  // 0: outside of our pid namespace
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

Error no_cgroup(const std::string& path) {
  return Error(Errc::not_found, "there is no cgroup " + path);
}

}  // namespace

Result<Cgroups> Cgroups::find(const std::string& root) {
  if (!is_directory(root)) return Error(Errc::not_found, "no cgroups at " + root);
  if (is_cgroup2(root)) return Cgroups(root, Version::v2);
  std::vector<std::string> hierarchies;
  for (const std::string& name : subdirectories(root)) {
    if (!is_cgroup2(root + "/" + name)) hierarchies.push_back(name);
  }
  if (hierarchies.empty()) return Error(Errc::not_found, "no cgroup hierarchies at " + root);
  std::sort(hierarchies.begin(), hierarchies.end());
  return Cgroups(root, Version::v1, std::move(hierarchies));
}

Cgroups::Cgroups(std::string root, Version version, std::vector<std::string> hierarchies)
    : root_(std::move(root)), version_(version), hierarchies_(std::move(hierarchies)) {}

std::string Cgroups::directory(const std::string& controller, const std::string& path) const {
  if (version_ == Version::v2) return root_ + path;
  for (const std::string& name : hierarchies_) {
    if (serves(name, controller)) return root_ + "/" + name + path;
  }
  return {};
}

std::vector<std::string> Cgroups::directories(const std::string& path) const {
  if (version_ == Version::v2) return {root_ + path};
  std::vector<std::string> all;
  for (const std::string& name : hierarchies_) all.push_back(root_ + "/" + name + path);
  return all;
}

bool Cgroups::exists(const std::string& path) const {
  const auto all = directories(path);
  return std::any_of(all.begin(), all.end(), is_directory);
}

Result<> Cgroups::create(const std::string& path) const {
  const auto checked = check_clean_path("cgroup", path);
  if (!checked) return checked;
  for (const std::string& base : directories("")) {
    const bool cpuset = version_ == Version::v1 && serves(base.substr(base.rfind('/') + 1), "cpuset");
    std::string parent = base;
    for (size_t slash = 0; slash != std::string::npos;) {
      slash = path.find('/', slash + 1);
      const std::string dir = base + path.substr(0, slash);
      if (version_ == Version::v2) delegate(parent);
      if (::mkdir(dir.c_str(), 0755) != 0 && errno != EEXIST) return sys_error("make cgroup " + dir);
      if (cpuset) inherit_cpuset(parent, dir);
      parent = dir;
    }
  }
  return {};
}

Result<> Cgroups::remove(const std::string& path) const {
  const auto checked = check_clean_path("cgroup", path);
  if (!checked) return checked;
  for (const std::string& dir : directories(path)) {
    const auto tree = tree_of(dir);
    for (auto at = tree.rbegin(); at != tree.rend(); ++at) {
      if (::rmdir(at->c_str()) != 0 && errno != ENOENT) return sys_error("remove cgroup " + *at);
    }
  }
  return {};
}

Result<> Cgroups::join(const std::string& path) const {
  Result<> joined;
  for (const std::string& dir : directories(path)) {
    const auto moved = io::write_file(dir + "/cgroup.procs", "0");  // 0: whoever writes
    if (!moved && joined) joined = moved.error().within("join a cgroup");
  }
  return joined;
}

Result<std::string> Cgroups::memory_limit_file(const std::string& path) const {
  const std::string dir = directory("memory", path);
  if (dir.empty()) return Error(Errc::unsupported, "the kernel has no memory cgroups");
  return dir + (version_ == Version::v2 ? "/memory.max" : "/memory.limit_in_bytes");
}

Result<> Cgroups::set_memory_limit(const std::string& path, uint64_t bytes) const {
  const auto file = memory_limit_file(path);
  if (!file) return file.error();
  return io::write_file(*file, std::to_string(bytes));
}

Result<uint64_t> Cgroups::memory_limit(const std::string& path) const {
  const auto file = memory_limit_file(path);
  if (!file) return file.error();
  const auto text = io::read_file(*file);
  if (!text) return text.error();
  uint64_t bytes = std::numeric_limits<uint64_t>::max();
  std::from_chars(text->data(), text->data() + text->size(), bytes);  // "max" leaves it as it is
  return bytes;
}

Result<std::vector<uint32_t>> Cgroups::pids(const std::string& path) const {
  const auto all = directories(path);
  const auto dir = std::find_if(all.begin(), all.end(), is_directory);
  if (dir == all.end()) return no_cgroup(path);
  std::vector<uint32_t> found;
  for (const std::string& group : tree_of(*dir)) {
    const auto procs = io::read_file(group + "/cgroup.procs", kMaxProcs);
    if (procs) append_pids(*procs, found);  // else it has just gone, or is threaded and its parent has the pids
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

Result<uint64_t> pods_memory_limit(uint64_t total, uint64_t reserve) {
  if (total <= reserve) {
    return Error(Errc::exhausted, "of " + std::to_string(total) + " bytes of memory, " + std::to_string(reserve) +
                                      " are to be kept back");
  }
  const uint64_t limit = total - reserve;
  if (limit > static_cast<uint64_t>(std::numeric_limits<int64_t>::max())) {
    return Error(Errc::invalid_argument, "the memory limit is out of range");
  }
  return limit;
}

uint64_t total_memory() {
  struct sysinfo info {};
  if (::sysinfo(&info) != 0) return 0;
  return static_cast<uint64_t>(info.totalram) * info.mem_unit;
}

}  // namespace gcs::runtime
