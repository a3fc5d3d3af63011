#include "runtime/spec_gpu.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "runtime/spec_json.h"
#include "runtime/vpci_device.h"

namespace gcs::runtime {
namespace {

constexpr const char* kCapabilities = "io.microsoft.container.gpu.capabilities";
constexpr std::string_view kHook = "generichook";
constexpr const char* kTool = "nvidia-container-cli";
constexpr const char* kDebugFile = "/nvidia-container.log";
constexpr const char* kDebugVariable = "GENERIC_HOOK_LOG_DEBUG_FILE";

std::vector<std::string> split(std::string_view text, char mark) {
  std::vector<std::string> parts;
  while (!text.empty()) {
    const size_t end = std::min(text.find(mark), text.size());
    if (end > 0) parts.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

/// Elsewhere a container may have put something of that name.
bool is_program_of_image(const std::string& path, std::string_view name) {
  constexpr std::array<std::string_view, 6> kDirectories = {"/usr/local/sbin/", "/usr/local/bin/", "/usr/sbin/",
                                                            "/usr/bin/",        "/sbin/",          "/bin/"};
  return std::ranges::any_of(kDirectories,
                             [&](std::string_view directory) { return path == std::string(directory).append(name); });
}

Result<std::string> find_hook(const std::string& search) {
  for (const std::string& dir : split(search, ':')) {
    const std::string path = dir + "/" + std::string(kHook);
    if (::access(path.c_str(), X_OK) == 0) return path;
  }
  return Error(Errc::not_found, "GPUs need the program " + std::string(kHook) + ", which this VM does not have");
}

/// The bus locations of the document's GPUs: "0001:00:00.0".
Result<std::vector<std::string>> gpus_of(const Json& spec, const std::string& vmbus) {
  std::vector<std::string> found;
  for (const Json& device : member(member(spec, "windows"), "devices")) {
    if (string_member(device, "idType") != "gpu") continue;
    const auto path = find_vpci_device(string_member(device, "id"), vmbus);
    if (!path) return path.error().within("OciSpecification.windows.devices");
    found.push_back(path->substr(path->rfind('/') + 1));
  }
  return found;
}

Json environment_of_hook(const std::string& debug_file) {
  Json all = Json::array();
  for (char** variable = environ; *variable != nullptr; ++variable) all.push_back(std::string(*variable));
  all.push_back("NVC_INSECURE_MODE=1");  // the tool would want seccomp of the VM
  all.push_back(std::string(kDebugVariable) + "=" + debug_file);
  return all;
}

}  // namespace

Result<> add_gpus(Json& spec, const std::string& bundle_path, const std::string& rootfs, const GpuPaths& paths) {
  const auto gpus = gpus_of(spec, paths.vmbus);
  if (!gpus) return gpus.error();
  if (gpus->empty()) return {};
  const char* search = std::getenv("PATH");
  const auto program = find_hook(!paths.search.empty() ? paths.search : search != nullptr ? search : "");
  if (!program) return program.error();

  const std::string debug_file = bundle_path + kDebugFile;
  Json args = Json::array({*program, kTool, "--debug=" + debug_file, "--no-pivot", "configure"});
  args.push_back("--ldconfig=@/sbin/ldconfig");
  for (const std::string& capability : split(annotation(spec, kCapabilities).value_or(""), ',')) {
    args.push_back("--" + capability);
  }
  for (const std::string& gpu : *gpus) args.push_back("--device=" + gpu);
  args.push_back("--pid={{pid}}");  // the hook's program fills it in
  args.push_back(rootfs);

  Json hook = Json::object();
  hook["path"] = *program;
  hook["args"] = std::move(args);
  hook["env"] = environment_of_hook(debug_file);
  array_member(object_member(spec, "hooks"), "createRuntime").push_back(std::move(hook));

  Json rule = Json::object();
  rule["allow"] = true;
  rule["type"] = "c";
  rule["access"] = "rwm";
  array_member(object_member(object_member(spec, "linux"), "resources"), "devices").push_back(std::move(rule));
  return {};
}

Result<> check_hooks(const Json& spec) {
  const Json& hooks = member(spec, "hooks");
  if (!hooks.is_object()) return {};
  for (const auto& [kind, list] : hooks.items()) {
    if (!list.is_array()) continue;
    for (const Json& hook : list) {
      const std::string path = string_member(hook, "path");
      if (is_program_of_image(path, kHook)) continue;
      return Error(Errc::unsupported,
                   "OciSpecification.hooks." + kind + ": \"" + path.substr(0, 128) + "\" is no hook of this VM");
    }
  }
  return {};
}

}  // namespace gcs::runtime
