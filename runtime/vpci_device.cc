#include "runtime/vpci_device.h"

#include <limits.h>
#include <stdlib.h>

#include "runtime/network/device_lookup.h"

namespace gcs::runtime {

Result<std::string> find_vpci_device(const std::string& guid, const std::string& vmbus) {
  if (!network::is_guid(guid)) return Error(Errc::invalid_argument, "\"" + guid.substr(0, 64) + "\" is no GUID");
  std::string id = guid;
  for (char& c : id) c = c >= 'A' && c <= 'F' ? static_cast<char>(c | 0x20) : c;
  const auto path = network::find_pci_function(vmbus + "/" + id);
  if (!path) return path;
  char real[PATH_MAX];
  if (::realpath(path->c_str(), real) == nullptr) return sys_error("resolve " + *path);
  return std::string(real);
}

}  // namespace gcs::runtime
