#include "runtime/network/device_lookup.h"

#include <dirent.h>

#include <memory>

namespace gcs::network {
namespace {

constexpr std::chrono::milliseconds kPause{20};
constexpr std::chrono::seconds kLookLimit{5};

struct CloseDir {
  void operator()(DIR* dir) const { ::closedir(dir); }
};

/// The one entry of a directory that begins so.
Result<std::string> only_entry(const std::string& path, const std::string& beginning) {
  const std::unique_ptr<DIR, CloseDir> dir(::opendir(path.c_str()));
  if (dir == nullptr) return sys_error("look into " + path);
  std::string found;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name == "." || name == ".." || !name.starts_with(beginning)) continue;
    if (!found.empty()) return Error(Errc::internal, path + " holds more than one " + beginning + "*");
    found = name;
  }
  if (found.empty()) return Error(Errc::not_found, path + " holds no " + beginning + "*");
  return found;
}

std::string device_path(const std::string& sysfs, const std::string& guid) {
  return sysfs + "/bus/vmbus/devices/" + guid;
}

}  // namespace

bool is_guid(std::string_view text) {
  if (text.size() != 36) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
    const char c = text[i];
    const bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
    if (dash ? c != '-' : !hex) return false;
  }
  return true;
}

Result<std::string> find_pci_path(const std::string& sysfs, const std::string& guid) {
  return find_pci_function(device_path(sysfs, guid));
}

Result<std::string> find_pci_function(const std::string& device) {
  const auto bus = only_entry(device, "pci");
  if (!bus) return bus.error();
  // The functions of a bus begin with its number: pci0b3f:00 holds 0b3f:00:02.0.
  const std::string path = device + "/" + *bus;
  const auto function = only_entry(path, bus->substr(3));
  if (!function) return function.error();
  return path + "/" + *function;
}

Result<std::string> find_interface(const std::string& sysfs, const std::string& guid, bool vpci_assigned) {
  if (!vpci_assigned) return only_entry(device_path(sysfs, guid) + "/net", "");
  const auto pci = find_pci_path(sysfs, guid);
  if (!pci) return pci.error();
  return only_entry(*pci + "/net", "");
}

io::Task<Result<std::string>> DeviceLookup::interface_of(std::string guid, bool vpci_assigned) {
  Look look = [sysfs = sysfs_, guid, vpci_assigned] { return find_interface(sysfs, guid, vpci_assigned); };
  return wait(std::move(look), {"ID", "interface of the adapter ", kInterfaceLimit}, std::move(guid));
}

io::Task<Result<std::string>> DeviceLookup::pci_path_of(std::string guid) {
  Look look = [sysfs = sysfs_, guid] { return find_pci_path(sysfs, guid); };
  return wait(std::move(look), {"VMBusGUID", "PCI device ", kPciLimit}, std::move(guid));
}

io::Task<Result<std::string>> DeviceLookup::wait(Look look, Sought sought, std::string guid) {
  if (!is_guid(guid)) co_return Error(Errc::invalid_argument, std::string(sought.field) + ": not a GUID");
  const auto deadline = clock_.now() + sought.limit;
  const auto found = std::make_shared<std::string>();  // shared with a look that is given up
  std::function<Result<>()> job = [look, found]() -> Result<> {
    auto seen = look();
    if (!seen) return seen.error();
    *found = std::move(*seen);
    return {};
  };
  for (;;) {
    const auto looked = co_await offload_.call<void>(job, kLookLimit);
    if (looked) co_return *found;
    if (looked.error().code() != Errc::not_found) co_return looked.error();
    if (clock_.now() >= deadline) {
      co_return Error(Errc::not_found, sought.what + guid + ": has not appeared within " +
                                           std::to_string(sought.limit.count()) + " s: " + looked.error().message());
    }
    const auto next = std::min(clock_.now() + kPause, deadline);
    co_await io::sleep_until(executor_, clock_, next);
  }
}

}  // namespace gcs::network
