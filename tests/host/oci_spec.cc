#include "tests/host/oci_spec.h"

#include <nlohmann/json.hpp>
#include <random>

namespace gcs::host {
namespace {

struct UsualMount {
  const char* destination;
  const char* type;
  const char* source;
  std::vector<std::string> options;
};

const std::vector<std::string>& capabilities() {
  static const std::vector<std::string> list = {
      "CAP_CHOWN",   "CAP_DAC_OVERRIDE", "CAP_FSETID",           "CAP_FOWNER",
      "CAP_MKNOD",   "CAP_NET_RAW",      "CAP_SETGID",           "CAP_SETUID",
      "CAP_SETFCAP", "CAP_SETPCAP",      "CAP_NET_BIND_SERVICE", "CAP_SYS_CHROOT",
      "CAP_KILL",    "CAP_AUDIT_WRITE"};
  return list;
}

json mount_entry(const std::string& destination, const std::string& type, const std::string& source,
                 const std::vector<std::string>& options) {
  json entry = json::object();
  entry["destination"] = destination;
  entry["type"] = type;
  entry["source"] = source;
  entry["options"] = options;
  return entry;
}

json mounts(const ContainerSpec& spec) {
  const UsualMount list[] = {
      {"/proc", "proc", "proc", {"nosuid", "noexec", "nodev"}},
      {"/dev", "tmpfs", "tmpfs", {"nosuid", "strictatime", "mode=755", "size=65536k"}},
      {"/dev/pts", "devpts", "devpts", {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=5"}},
      {"/dev/shm", "tmpfs", "shm", {"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"}},
      {"/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"}},
  };
  json all = json::array();
  for (const UsualMount& mount : list) {
    all.push_back(mount_entry(mount.destination, mount.type, mount.source, mount.options));
  }
  for (const BindMount& mount : spec.mounts) {
    std::vector<std::string> options = {"rbind"};
    options.insert(options.end(), mount.options.begin(), mount.options.end());
    all.push_back(mount_entry(mount.destination, "bind", mount.source, options));
  }
  return all;
}

std::string random_hex(size_t digits) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::random_device random;
  std::string text;
  while (text.size() < digits) text.push_back(kDigits[random() % 16]);
  return text;
}

std::string random_guid() {
  const std::string hex = random_hex(32);
  return hex.substr(0, 8) + "-" + hex.substr(8, 4) + "-" + hex.substr(12, 4) + "-" + hex.substr(16, 4) + "-" +
         hex.substr(20);
}

/// As shims do it: a workload has its sandbox's network, IPC and names, and processes and mounts of its own.
json namespaces(const ContainerSpec& spec) {
  json list = json::array();
  for (const char* type : {"pid", "ipc", "uts", "mount", "network"}) {
    json entry = json::object();
    entry["type"] = type;
    const std::string name = std::string(type) == "network" ? "net" : type;
    const bool shared = name == "ipc" || name == "uts" || name == "net";
    if (shared && spec.sandbox_pid != 0) entry["path"] = "/proc/" + std::to_string(spec.sandbox_pid) + "/ns/" + name;
    list.push_back(std::move(entry));
  }
  return list;
}

/// The person's own come last, and win.
json annotations(const ContainerSpec& spec) {
  json all = json::object();
  if (spec.sandbox || !spec.pod.empty()) {
    all["io.kubernetes.cri.container-type"] = spec.sandbox ? "sandbox" : "container";
    all["io.kubernetes.cri.sandbox-id"] = spec.sandbox ? spec.id : spec.pod;
  }
  if (spec.sandbox && spec.network.empty()) all["io.microsoft.cri.skip-pod-networking"] = "true";
  for (const auto& [name, text] : spec.annotations) all[name] = text;
  return all;
}

}  // namespace

std::string random_id() {
  return random_hex(64);
}

std::vector<std::string> environment_of(const Command& command) {
  std::vector<std::string> env = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"};
  if (command.terminal) env.emplace_back("TERM=xterm");
  env.insert(env.end(), command.env.begin(), command.env.end());
  return env;
}

json oci_process(const Command& command) {
  json process = json::object();
  if (command.terminal) process["terminal"] = true;
  if (command.height != 0) process["consoleSize"] = {{"height", command.height}, {"width", command.width}};
  process["user"] = {{"uid", 0}, {"gid", 0}};
  process["args"] = command.args;
  process["env"] = environment_of(command);
  process["cwd"] = command.cwd;
  for (const char* set : {"bounding", "effective", "permitted"}) process["capabilities"][set] = capabilities();
  return process;
}

json oci_spec(const ContainerSpec& spec) {
  json oci = json::object();
  oci["ociVersion"] = "1.0.2-dev";
  oci["process"] = oci_process(spec.command);
  oci["root"]["path"] = spec.rootfs();
  if (spec.read_only) oci["root"]["readonly"] = true;
  if (!spec.hostname.empty()) oci["hostname"] = spec.hostname;
  oci["mounts"] = mounts(spec);
  json& linux_part = oci["linux"];
  linux_part["namespaces"] = namespaces(spec);
  linux_part["resources"]["cpu"] = {
      {"shares", 1024}, {"quota", -1}, {"period", 100000}};  // -1: no limit, as hosts say it
  if (spec.memory_limit != 0) linux_part["resources"]["memory"]["limit"] = spec.memory_limit;
  json notes = annotations(spec);
  if (!notes.empty()) oci["annotations"] = std::move(notes);
  // Each container in a network of its own: without one, all would share the namespace "". A workload is in its pod's.
  if (spec.pod.empty())
    oci["windows"]["network"]["networkNamespace"] = spec.network.empty() ? random_guid() : spec.network;
  return oci;
}

}  // namespace gcs::host
