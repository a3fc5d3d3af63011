#include "runtime/spec_host_files.h"

#include "runtime/spec_json.h"

namespace gcs::runtime {

Result<std::vector<BundleFile>> host_files(const Json& spec, const NetworkNames& names) {
  std::string name = string_member(spec, "hostname");
  if (name.empty()) name = names.hostname;
  auto hostname = hostname_text(name);
  if (!hostname) return hostname.error();
  auto resolv_conf = resolv_conf_text(names.dns);
  if (!resolv_conf) return resolv_conf.error();
  return std::vector<BundleFile>{
      {"hostname", std::move(*hostname)}, {"hosts", hosts_text(name)}, {"resolv.conf", std::move(*resolv_conf)}};
}

std::vector<std::string> mount_host_files(Json& spec, const std::string& dir) {
  std::vector<std::string> mounted;
  for (const char* file : {"hostname", "hosts", "resolv.conf"}) {
    const std::string destination = std::string("/etc/") + file;
    if (mounts_at(spec, destination)) continue;
    add_bind(spec, dir + "/" + file, destination, has_read_only_root(spec));
    mounted.emplace_back(file);
  }
  return mounted;
}

}  // namespace gcs::runtime
