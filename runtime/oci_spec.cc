#include "runtime/oci_spec.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <vector>

#include "runtime/host_files.h"
#include "runtime/spec_json.h"
#include "stdio/io/log.h"

namespace gcs::runtime {
namespace {

/// A value with its dotted name; the first failure of all that are read from one Checker stays.
class Checker {
 public:
  explicit Checker(std::string name) : name_(std::move(name)) {}

  void walk(const Json& document) {
    struct Step {
      const Json* value;
      size_t depth;
    };
    std::vector<Step> open = {{&document, 1}};
    while (!open.empty() && !failure_) {
      const auto [value, depth] = open.back();
      open.pop_back();
      if (depth > kMaxSpecDepth) return fail(Errc::invalid_argument, "", "nested too deeply");
      // The OCI runtimes are C: they would see half of such a string.
      if (value->is_string() && has_nul(value->get_ref<const std::string&>())) {
        return fail(Errc::invalid_argument, "", "a string holds a NUL");
      }
      if (!value->is_structured()) continue;
      for (auto at = value->begin(); at != value->end(); ++at) {
        if (value->is_object() && has_nul(at.key())) return fail(Errc::invalid_argument, "", "a name holds a NUL");
        open.push_back({&*at, depth + 1});
      }
    }
  }

  /// A member that must be there.
  const Json& required(const Json& object, const std::string& path, const char* name) {
    const Json& found = member(object, name);
    if (found.is_null()) fail(Errc::malformed, path + "." + name, "missing");
    return found;
  }

  bool object(const Json& value, const std::string& path) {
    if (!value.is_null() && !value.is_object()) fail(Errc::malformed, path, "not an object");
    return value.is_object();
  }
  bool array(const Json& value, const std::string& path) {
    if (!value.is_null() && !value.is_array()) fail(Errc::malformed, path, "not an array");
    return value.is_array();
  }
  bool string(const Json& value, const std::string& path) {
    if (!value.is_null() && !value.is_string()) fail(Errc::malformed, path, "not a string");
    return value.is_string();
  }
  void boolean(const Json& value, const std::string& path) {
    if (!value.is_null() && !value.is_boolean()) fail(Errc::malformed, path, "not a boolean");
  }
  void u32(const Json& value, const std::string& path) {
    if (value.is_null()) return;
    if (!value.is_number_integer()) return fail(Errc::malformed, path, "not an integer");
    const bool negative = !value.is_number_unsigned() && value.get<int64_t>() < 0;
    if (negative || value.get<uint64_t>() > std::numeric_limits<uint32_t>::max()) {
      fail(Errc::invalid_argument, path, "out of range");
    }
  }
  void strings(const Json& value, const std::string& path) {
    if (!array(value, path)) return;
    for (const Json& one : value) {
      if (!one.is_string()) return fail(Errc::malformed, path, "not an array of strings");
    }
  }
  bool objects(const Json& value, const std::string& path) {
    if (!array(value, path)) return false;
    for (const Json& one : value) {
      if (!one.is_object()) fail(Errc::malformed, path, "not an array of objects");
    }
    return true;
  }
  void non_empty(const Json& value, const std::string& path) {
    if (string(value, path) && value.get_ref<const std::string&>().empty()) {
      fail(Errc::invalid_argument, path, "empty");
    }
  }
  void fail(Errc code, const std::string& path, const char* why) {
    if (!failure_) failure_ = Error(code, name_ + path + ": " + why);
  }

  Result<> finish() const {
    if (failure_) return *failure_;
    return {};
  }

 private:
  static bool has_nul(const std::string& text) { return text.find('\0') != std::string::npos; }

  std::string name_;
  std::optional<Error> failure_;
};

void check_process(Checker& check, const Json& process, const std::string& path) {
  const Json& args = check.required(process, path, "args");
  check.strings(args, path + ".args");
  if (args.is_array() && args.empty()) check.fail(Errc::invalid_argument, path + ".args", "empty");
  const Json& cwd = check.required(process, path, "cwd");
  if (check.string(cwd, path + ".cwd") && !cwd.get_ref<const std::string&>().starts_with('/')) {
    check.fail(Errc::invalid_argument, path + ".cwd", "not an absolute path");
  }
  check.strings(member(process, "env"), path + ".env");
  check.boolean(member(process, "terminal"), path + ".terminal");
  check.objects(member(process, "rlimits"), path + ".rlimits");
  const Json& user = member(process, "user");
  if (!check.object(user, path + ".user")) return;
  check.u32(member(user, "uid"), path + ".user.uid");
  check.u32(member(user, "gid"), path + ".user.gid");
  check.string(member(user, "username"), path + ".user.username");
}

void check_linux(Checker& check, const Json& linux_part) {
  check.string(member(linux_part, "cgroupsPath"), ".linux.cgroupsPath");
  const Json& resources = member(linux_part, "resources");
  if (check.object(resources, ".linux.resources")) {
    check.objects(member(resources, "devices"), ".linux.resources.devices");
  }
  const Json& devices = member(linux_part, "devices");
  if (check.objects(devices, ".linux.devices")) {
    for (const Json& device : devices) check.string(member(device, "path"), ".linux.devices[].path");
  }
  const Json& namespaces = member(linux_part, "namespaces");
  if (!check.array(namespaces, ".linux.namespaces")) return;
  for (size_t i = 0; i < namespaces.size(); ++i) {
    const std::string path = ".linux.namespaces[" + std::to_string(i) + "]";
    const Json& one = namespaces[i];
    if (!one.is_object()) return check.fail(Errc::malformed, path, "not an object");
    check.non_empty(check.required(one, path, "type"), path + ".type");
    check.string(member(one, "path"), path + ".path");
  }
}

void check_mounts(Checker& check, const Json& mounts) {
  if (!check.array(mounts, ".mounts")) return;
  for (size_t i = 0; i < mounts.size(); ++i) {
    const std::string path = ".mounts[" + std::to_string(i) + "]";
    const Json& mount = mounts[i];
    if (!mount.is_object()) return check.fail(Errc::malformed, path, "not an object");
    check.non_empty(check.required(mount, path, "destination"), path + ".destination");
    check.string(member(mount, "source"), path + ".source");
    check.string(member(mount, "type"), path + ".type");
    check.strings(member(mount, "options"), path + ".options");
  }
}

void check_windows(Checker& check, const Json& windows) {
  if (!check.object(windows, ".windows")) return;
  const Json& network = member(windows, "network");
  if (check.object(network, ".windows.network")) {
    check.string(member(network, "networkNamespace"), ".windows.network.networkNamespace");
  }
  const Json& devices = member(windows, "devices");
  if (!check.objects(devices, ".windows.devices")) return;
  for (const Json& device : devices) {
    check.string(member(device, "idType"), ".windows.devices[].idType");
    check.string(member(device, "id"), ".windows.devices[].id");
  }
}

void check_annotations(Checker& check, const Json& annotations) {
  if (!check.object(annotations, ".annotations")) return;
  for (const Json& value : annotations) {
    if (!value.is_string()) return check.fail(Errc::malformed, ".annotations", "a value is not a string");
  }
}

}  // namespace

Result<> check_spec(const Json& spec) {
  Checker check("OciSpecification");
  if (!spec.is_object()) {
    check.fail(Errc::malformed, "", spec.is_null() ? "missing" : "not an object");
    return check.finish();
  }
  check.walk(spec);
  if (const auto walked = check.finish(); !walked) return walked;
  const Json& process = check.required(spec, "", "process");
  if (check.object(process, ".process")) check_process(check, process, ".process");
  const Json& root = check.required(spec, "", "root");
  if (check.object(root, ".root")) {
    check.non_empty(check.required(root, ".root", "path"), ".root.path");
    check.boolean(member(root, "readonly"), ".root.readonly");
  }
  const Json& linux_part = check.required(spec, "", "linux");
  if (check.object(linux_part, ".linux")) check_linux(check, linux_part);
  check_mounts(check, member(spec, "mounts"));
  check_annotations(check, member(spec, "annotations"));
  const Json& hostname = member(spec, "hostname");
  if (check.string(hostname, ".hostname") && !is_hostname(hostname.get_ref<const std::string&>())) {
    check.fail(Errc::invalid_argument, ".hostname", "not a host name");
  }
  check_windows(check, member(spec, "windows"));
  return check.finish();
}

Result<> check_exec_process(const Json& process) {
  Checker check("OciProcess");
  if (!process.is_object()) {
    check.fail(Errc::malformed, "", process.is_null() ? "missing" : "not an object");
    return check.finish();
  }
  check.walk(process);
  if (const auto walked = check.finish(); !walked) return walked;
  check_process(check, process, "");
  return check.finish();
}

bool has_terminal(const Json& process) {
  return bool_member(process, "terminal");
}

bool owns_pid_namespace(const Json& spec) {
  const Json& namespaces = member(member(spec, "linux"), "namespaces");
  bool owns = false;
  if (!namespaces.is_array()) return owns;
  // The runtimes let the last entry of a type win.
  for (const Json& one : namespaces) {
    if (string_member(one, "type") == "pid") owns = string_member(one, "path").empty();
  }
  return owns;
}

std::string network_namespace_of(const Json& spec) {
  std::string id = string_member(member(member(spec, "windows"), "network"), "networkNamespace");
  for (char& c : id) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return id;
}

std::string rootfs_of(const Json& spec, const std::string& bundle_path) {
  const std::string path = string_member(member(spec, "root"), "path");
  return path.starts_with('/') ? path : bundle_path + "/" + path;
}

std::string cgroups_path_of(const Json& spec) {
  return string_member(member(spec, "linux"), "cgroupsPath");
}

bool annotation_flag(const Json& spec, std::string_view name, bool fallback) {
  constexpr std::array<std::string_view, 6> kTrue = {"1", "t", "T", "TRUE", "true", "True"};
  constexpr std::array<std::string_view, 6> kFalse = {"0", "f", "F", "FALSE", "false", "False"};
  const Json& value = member(member(spec, "annotations"), std::string(name).c_str());
  if (!value.is_string()) return fallback;
  const auto& text = value.get_ref<const std::string&>();
  if (std::find(kTrue.begin(), kTrue.end(), text) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), text) != kFalse.end()) return false;
  log::warn("annotation is no boolean", {{"annotation", name}, {"value", text.substr(0, 64)}});
  return fallback;
}

std::string spec_text(const Json& spec) {
  return spec.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace gcs::runtime
