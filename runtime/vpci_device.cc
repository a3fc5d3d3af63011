#include "runtime/vpci_device.h"

#include <dirent.h>
#include <limits.h>
#include <stdlib.h>

#include <algorithm>
#include <memory>
#include <vector>

namespace gcs::runtime {
namespace {

/// The names in `dir` that begin with `prefix`.
std::vector<std::string> entries(const std::string& dir, const std::string& prefix) {
  std::vector<std::string> found;
  const std::unique_ptr<DIR, decltype([](DIR* open) { ::closedir(open); })> open(::opendir(dir.c_str()));
  if (open == nullptr) return found;
  while (const dirent* entry = ::readdir(open.get())) {
    const std::string name = entry->d_name;
    if (name.starts_with(prefix) && name != "." && name != "..") found.push_back(name);
  }
  return found;
}

Result<std::string> only_one(const std::string& dir, const std::string& prefix) {
  const auto found = entries(dir, prefix);
  if (found.empty()) return Error(Errc::not_found, "there is no " + dir + "/" + prefix + "*");
  if (found.size() > 1) return Error(Errc::wrong_state, "there are several " + dir + "/" + prefix + "*");
  return found.front();
}

bool is_guid_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || c == '-';
}

}  // namespace

Result<std::string> find_vpci_device(const std::string& guid, const std::string& vmbus) {
  constexpr size_t kGuidLength = 36;
  std::string id = guid;
  std::transform(id.begin(), id.end(), id.begin(), [](char c) { return c >= 'A' && c <= 'F' ? c | 0x20 : c; });
  if (id.size() != kGuidLength || !std::all_of(id.begin(), id.end(), is_guid_character)) {
    return Error(Errc::invalid_argument, "\"" + guid.substr(0, 64) + "\" is no GUID");
  }
  const std::string dir = vmbus + "/" + id;
  const auto bus = only_one(dir, "pci");
  if (!bus) return bus.error();
  const auto device = only_one(dir + "/" + *bus, bus->substr(3));  // "pci0001:00" holds "0001:00:00.0"
  if (!device) return device.error();
  const std::string path = dir + "/" + *bus + "/" + *device;
  char real[PATH_MAX];
  if (::realpath(path.c_str(), real) == nullptr) return sys_error("resolve " + path);
  return std::string(real);
}

}  // namespace gcs::runtime
