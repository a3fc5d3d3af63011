#include "gcs/init_cgroups.h"

#include <fcntl.h>
#include <linux/bpf.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "gcs/init_mounts.h"
#include "stdio/io/fd.h"
#include "stdio/io/log.h"

namespace gcs {
namespace {

constexpr const char* kRoot = "/sys/fs/cgroup";
constexpr unsigned long kFlags = MS_NODEV | MS_NOSUID | MS_NOEXEC;

/// The next word of `text`, taken off it; empty at the end.
std::string_view take_word(std::string_view& text) {
  constexpr std::string_view kSpace = " \t\n";
  text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
  const std::string_view word = text.substr(0, text.find_first_of(kSpace));
  text.remove_prefix(word.size());
  return word;
}

/// Without these, version 2 cannot keep a container from a device.
bool has_device_programs() {
  auto root = io::open_file(kRoot, O_RDONLY | O_DIRECTORY);
  if (!root) return false;
  bpf_attr query{};
  query.query.target_fd = static_cast<uint32_t>(root->get());
  query.query.attach_type = BPF_CGROUP_DEVICE;
  return ::syscall(SYS_bpf, BPF_PROG_QUERY, &query, sizeof query) == 0 || (errno != ENOSYS && errno != EINVAL);
}

Result<> mount_v2() {
  if (auto done = mount_at({"cgroup2", kRoot, "cgroup2", kFlags, ""}); !done) return done;
  auto controllers = io::read_file(std::string(kRoot) + "/cgroup.controllers");
  std::string_view rest = controllers ? std::string_view(*controllers) : std::string_view();
  std::string_view name = take_word(rest);
  if (name.empty() || !has_device_programs()) {
    ::umount(kRoot);
    return Error(Errc::unsupported, name.empty() ? "cgroup v2 without controllers" : "cgroup v2 without bpf");
  }
  for (; !name.empty(); name = take_word(rest)) {
    // One by one: a controller that refuses must not keep the others out.
    const auto enabled = io::write_file(std::string(kRoot) + "/cgroup.subtree_control", "+" + std::string(name));
    if (!enabled) log::warn("init", {{"controller", name}, {"error", enabled.error().message()}});
  }
  return {};
}

Result<> mount_v1() {
  auto table = io::read_file("/proc/cgroups");
  if (!table) return table.error();
  if (auto done = mount_at({"cgroup", kRoot, "tmpfs", kFlags, "mode=0755"}); !done) return done;
  for (const std::string& name : enabled_controllers(*table)) {
    const std::string path = std::string(kRoot) + "/" + name;
    const auto done = mount_at({"cgroup", path.c_str(), "cgroup", kFlags, name.c_str()});
    if (!done) log::warn("init", {{"controller", name}, {"error", done.error().message()}});
  }
  return {};
}

}  // namespace

std::vector<std::string> enabled_controllers(std::string_view proc_cgroups) {
  std::vector<std::string> names;
  while (!proc_cgroups.empty()) {
    const size_t end = std::min(proc_cgroups.find('\n'), proc_cgroups.size());
    std::string_view line = proc_cgroups.substr(0, end);
    proc_cgroups.remove_prefix(std::min(end + 1, proc_cgroups.size()));
    const std::string_view name = take_word(line);
    take_word(line);  // hierarchy
    take_word(line);  // number of cgroups
    if (!name.starts_with('#') && take_word(line) == "1") names.emplace_back(name);
  }
  return names;
}

Result<CgroupVersion> mount_cgroups(bool force_v1) {
  if (!force_v1) {
    const auto done = mount_v2();
    if (done) return CgroupVersion::v2;
    log::info("init falls back to cgroup v1", {{"reason", done.error().message()}});
  }
  if (const auto done = mount_v1(); !done) return done.error();
  return CgroupVersion::v1;
}

}  // namespace gcs
