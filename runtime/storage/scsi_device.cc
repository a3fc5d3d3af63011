#include "runtime/storage/scsi_device.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <vector>

#include "runtime/storage/block_device.h"

namespace gcs::storage {
namespace {

/// The host's controllers 0 to 3 on the VM bus (behaviour.md 13.1).
constexpr std::array kControllers = {"df6d0690-79e5-55b6-a5ec-c1e2f77f580a", "0110f83b-de10-5172-a266-78bca56bf50a",
                                     "b5d2d8d4-3a75-51bf-945b-3444dc6b8579", "305891a9-b251-5dfe-91a2-c25d9212275b"};

using Dir = std::unique_ptr<DIR, decltype([](DIR* dir) { ::closedir(dir); })>;

/// The names in a directory; none where there is no such directory.
Result<std::vector<std::string>> names_in(const std::string& path) {
  std::vector<std::string> names;
  const Dir dir(::opendir(path.c_str()));
  if (dir == nullptr && (errno == ENOENT || errno == ENOTDIR)) return names;
  if (dir == nullptr) return sys_error("read " + path);
  while (const dirent* entry = ::readdir(dir.get())) {
    if (entry->d_name[0] != '.') names.emplace_back(entry->d_name);
  }
  return names;
}

/// N of "hostN".
std::optional<unsigned> host_number(const std::string& name) {
  constexpr std::string_view kHost = "host";
  unsigned number = 0;
  if (!name.starts_with(kHost)) return std::nullopt;
  const char* end = name.data() + name.size();
  const auto [stop, failure] = std::from_chars(name.data() + kHost.size(), end, number);
  if (failure != std::errc() || stop != end) return std::nullopt;
  return number;
}

bool exists(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) == 0;
}

std::string scsi_dir(const SystemRoots& roots, unsigned host, uint8_t lun) {
  return roots.sys + "/bus/scsi/devices/" + std::to_string(host) + ":0:0:" + std::to_string(lun);
}

/// "sda" and 1 is sda1, but a name that ends in a digit takes a "p" between.
std::string partition_name(const std::string& disk, uint64_t partition) {
  const bool digit = disk.back() >= '0' && disk.back() <= '9';
  return disk + (digit ? "p" : "") + std::to_string(partition);
}

/// The name of the block device behind a SCSI device.
Result<std::optional<std::string>> block_name(const SystemRoots& roots, unsigned host, uint8_t lun) {
  const std::string dir = scsi_dir(roots, host, lun) + "/block";
  const auto names = names_in(dir);
  if (!names) return names.error();
  if (names->size() > 1) return Error(Errc::internal, dir + " has more than one block device");
  if (names->empty()) return std::optional<std::string>();
  return std::optional(names->front());
}

/// Nobody but us has the disk: a mount or a mapping holds a device, or the disk of its partition, exclusively.
Result<io::Fd> open_unused(const std::string& node) {
  auto disk = open_device(node, O_RDONLY | O_EXCL);
  if (disk || disk.error().sys_errno() != EBUSY) return disk;
  return Error(Errc::wrong_state, "the disk " + node + " is in use: a mount or a mapping holds it", EBUSY);
}

}  // namespace

std::string to_string(const ScsiAddress& address) {
  std::string text = "controller " + std::to_string(address.controller) + ", LUN " + std::to_string(address.lun);
  if (address.partition != 0) text += ", partition " + std::to_string(address.partition);
  return text;
}

Result<std::optional<unsigned>> find_controller(const SystemRoots& roots, uint8_t controller) {
  if (controller >= kControllers.size()) return Error(Errc::invalid_argument, "Controller: is above 3");
  const std::string bus = roots.sys + "/bus/vmbus/devices";
  const bool hyper_v = exists(bus);
  const auto names = names_in(hyper_v ? bus + "/" + kControllers[controller] : roots.sys + "/bus/scsi/devices");
  if (!names) return names.error();
  std::vector<unsigned> hosts;
  for (const std::string& name : *names) {
    if (const auto number = host_number(name)) hosts.push_back(*number);
  }
  std::sort(hosts.begin(), hosts.end());
  const size_t index = hyper_v ? 0 : controller;
  if (index >= hosts.size()) return std::optional<unsigned>();
  return std::optional(hosts[index]);
}

Result<std::optional<ScsiDevice>> find_scsi_device(const SystemRoots& roots, const ScsiAddress& address) {
  const std::optional<ScsiDevice> absent;
  const auto host = find_controller(roots, address.controller);
  if (!host) return host.error();
  if (!*host) return absent;
  const auto disk = block_name(roots, **host, address.lun);
  if (!disk) return disk.error();
  if (!*disk) return absent;
  std::string name = **disk;
  if (address.partition != 0) {
    name = partition_name(name, address.partition);
    if (!exists(scsi_dir(roots, **host, address.lun) + "/block/" + **disk + "/" + name)) return absent;
  }
  ScsiDevice device{**host, roots.dev + "/" + name};
  const auto opened = open_device(device.node, O_RDONLY);
  if (opened) return std::optional(std::move(device));
  if (opened.error().code() == Errc::not_found) return absent;
  return opened.error();
}

Result<> unplug_scsi_disk(const SystemRoots& roots, uint8_t controller, uint8_t lun) {
  const auto host = find_controller(roots, controller);
  if (!host) return host.error();
  if (!*host) return {};
  const auto disk = block_name(roots, **host, lun);
  if (!disk) return disk.error();
  io::Fd held;  // until it is deleted, so that nobody mounts it meanwhile
  if (*disk) {
    auto unused = open_unused(roots.dev + "/" + **disk);
    if (!unused && unused.error().code() != Errc::not_found) return unused.error();
    if (unused) held = std::move(*unused);
  }
  if (held && ::fsync(held.get()) != 0) return device_error("write out " + roots.dev + "/" + **disk);
  const auto written = io::write_file(scsi_dir(roots, **host, lun) + "/delete", "1\n");
  if (written || written.error().sys_errno() == ENOENT) return {};
  return device_error("delete " + scsi_dir(roots, **host, lun), written.error().sys_errno());
}

}  // namespace gcs::storage
