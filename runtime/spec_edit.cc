#include "runtime/spec_edit.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "runtime/oci_spec.h"
#include "runtime/safe_path.h"
#include "runtime/user.h"

namespace gcs::runtime {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kHostNetwork = "io.microsoft.virtualmachine.lcow.hostnetwork";

Json& array_member(Json& object, const char* name) {
  Json& found = object[name];
  if (!found.is_array()) found = Json::array();
  return found;
}

bool mounts_at(const Json& mounts, const std::string& destination) {
  return std::any_of(mounts.begin(), mounts.end(), [&](const Json& mount) {
    // Old documents have relative destinations; they count from the root.
    const auto there = clean_path("", "/" + mount.value("destination", std::string()));
    return there && *there == destination;
  });
}

bool is_read_only(const Json& spec) {
  const auto root = spec.find("root");
  if (root == spec.end()) return false;
  const auto read_only = root->find("readonly");
  return read_only != root->end() && read_only->is_boolean() && read_only->get<bool>();
}

Json bind_mount_of(const std::string& source, const std::string& destination, bool read_only) {
  Json mount = Json::object();
  mount["destination"] = destination;
  mount["type"] = "bind";
  mount["source"] = source;
  mount["options"] = Json::array({"bind"});
  if (read_only) mount["options"].push_back("ro");
  return mount;
}

std::string hostname_of(const Json& spec, const std::string& fallback) {
  const auto name = spec.find("hostname");
  const bool own = name != spec.end() && name->is_string() && !name->get_ref<const std::string&>().empty();
  return own ? name->get<std::string>() : fallback;
}

Result<std::vector<BundleFile>> mount_host_files(Json& spec, const std::string& bundle_path,
                                                 const NetworkNames& names) {
  const std::string name = hostname_of(spec, names.hostname);
  auto hostname = hostname_text(name);
  if (!hostname) return hostname.error();
  auto resolv_conf = resolv_conf_text(names.dns);
  if (!resolv_conf) return resolv_conf.error();
  std::vector<BundleFile> files;
  Json& mounts = array_member(spec, "mounts");
  const bool read_only = is_read_only(spec);
  auto add = [&](const std::string& file, std::string text) {
    const std::string destination = "/etc/" + file;
    if (mounts_at(mounts, destination)) return;
    mounts.push_back(bind_mount_of(bundle_path + "/" + file, destination, read_only));
    files.push_back({file, std::move(text)});
  };
  add("hostname", std::move(*hostname));
  add("hosts", hosts_text(name));
  add("resolv.conf", std::move(*resolv_conf));
  return files;
}

void remove_network_namespace(Json& spec) {
  Json& namespaces = array_member(spec["linux"], "namespaces");
  Json kept = Json::array();
  for (Json& one : namespaces) {
    if (one.value("type", std::string()) != "network") kept.push_back(std::move(one));
  }
  namespaces = std::move(kept);
}

/// The user object, if it has a name; else null.
Json named_user_of(const Json& process) {
  const auto user = process.find("user");
  if (user == process.end() || !user->is_object()) return nullptr;
  const auto name = user->find("username");
  const bool named = name != user->end() && name->is_string() && !name->get_ref<const std::string&>().empty();
  return named ? *user : Json();
}

std::string text_of(const Json& value) {
  return value.is_null() ? std::string() : value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

Result<ContainerTraits> prepare_standalone(Json& spec, const std::string& id, const std::string& bundle_path,
                                           const NetworkNames& names) {
  const auto checked = check_spec(spec);
  if (!checked) return checked.error();
  const Json& process = spec["process"];
  ContainerTraits traits;
  traits.terminal = has_terminal(process);
  traits.owns_pid_namespace = owns_pid_namespace(spec);
  traits.host_network = annotation_flag(spec, kHostNetwork, false);
  traits.network_namespace = network_namespace_of(spec);
  traits.cgroups_path = "/pods/" + id;
  traits.rootfs = rootfs_of(spec, bundle_path);
  if (const auto limits = process.find("rlimits"); limits != process.end()) traits.rlimits = text_of(*limits);
  traits.user = text_of(named_user_of(process));

  auto files = mount_host_files(spec, bundle_path, names);
  if (!files) return files.error();
  traits.files = std::move(*files);
  if (traits.host_network) remove_network_namespace(spec);
  spec["linux"]["cgroupsPath"] = traits.cgroups_path;
  spec.erase("windows");
  return traits;
}

Result<bool> prepare_exec(Json& process, const ContainerTraits& traits) {
  const auto checked = check_exec_process(process);
  if (!checked) return checked.error();
  process.erase("rlimits");
  if (!traits.rlimits.empty()) process["rlimits"] = Json::parse(traits.rlimits, nullptr, false);

  const Json named = named_user_of(process);
  if (!named.is_null()) {
    const auto ids = find_user(traits.rootfs, named["username"].get<std::string>());
    if (!ids) return ids.error().within("OciProcess.user.username");
    process["user"]["uid"] = ids->uid;
    process["user"]["gid"] = ids->gid;
  } else if (!traits.user.empty()) {
    process["user"] = Json::parse(traits.user, nullptr, false);
  }
  return has_terminal(process);
}

}  // namespace gcs::runtime
