#include "tests/migration/qemu_config.h"

#include <nlohmann/json.hpp>

#include "tests/host/json_value.h"

namespace gcs::migration {
namespace {

using host::json;

constexpr const char* kType = "qemu";
constexpr int64_t kVersion = 1;
constexpr uint64_t kMaxMemoryMib = 1 << 20;

// vsock(7): 0 to 2 are taken, the highest means "any". One less than that, for there must be a next one.
constexpr int64_t kFirstCid = 3;
constexpr int64_t kLastCid = 0xfffffffd;

/// Inside a list of options a comma is written twice.
std::string quoted(const std::string& value) {
  std::string out;
  for (const char c : value) out.append(c == ',' ? 2 : 1, c);
  return out;
}

/// QEMU's own name for the memory of a machine: a state that was saved without a file then fits one with it.
std::string memory_name(const std::string& machine) {
  return machine.starts_with("microvm") ? "microvm.ram" : "pc.ram";
}

Error bad(const std::string& what) {
  return Error(Errc::invalid_argument, "the VM's document: " + what);
}

Result<> read_text(const json& object, const char* name, std::string& into) {
  const json* value = host::member(object, name);
  if (value == nullptr) return {};
  if (!value->is_string()) return bad(std::string(name) + " is no text");
  into = value->get<std::string>();
  // A command line has no room for it.
  if (into.find('\0') != std::string::npos) return bad(std::string(name) + " has a zero byte");
  return {};
}

Result<> read_vsock(const json& document, QemuConfig& config) {
  const json* vsock = host::member(document, "Vsock");
  if (vsock == nullptr) return {};
  if (auto read = read_text(*vsock, "Device", config.vsock_device); !read) return read;
  const int64_t cid = host::number_of(*vsock, "Cid");
  if (config.vsock_device.empty() || cid < kFirstCid || cid > kLastCid) return bad("Vsock without a device or a cid");
  config.vsock_cid = static_cast<uint32_t>(cid);
  return {};
}

Result<> read_arguments(const json& document, QemuConfig& config) {
  const json* arguments = host::member(document, "Arguments");
  if (arguments == nullptr) return {};
  if (!arguments->is_array()) return bad("Arguments is no list");
  for (const json& argument : *arguments) {
    if (!argument.is_string()) return bad("Arguments holds what is no text");
    config.arguments.push_back(argument.get<std::string>());
    if (config.arguments.back().find('\0') != std::string::npos) return bad("Arguments has a zero byte");
  }
  return {};
}

}  // namespace

std::string to_document(const QemuConfig& config) {
  json document = json::object();
  document["Type"] = kType;
  document["Version"] = kVersion;
  document["Machine"] = config.machine;
  document["MemoryMib"] = config.memory_mib;
  document["MemoryFile"] = config.memory_file;
  document["Kernel"] = config.kernel;
  document["Initrd"] = config.initrd;
  document["Append"] = config.append;
  if (!config.vsock_device.empty()) {
    document["Vsock"]["Device"] = config.vsock_device;
    document["Vsock"]["Cid"] = config.vsock_cid;
  }
  document["Arguments"] = config.arguments;
  return host::to_text(document);
}

Result<QemuConfig> from_document(const std::string& text) {
  const auto document = host::parse_json(text);
  if (!document || !document->is_object()) return bad("no JSON object");
  if (host::text_of(*document, "Type") != kType) return bad("not of type \"" + std::string(kType) + "\"");
  if (host::number_of(*document, "Version") != kVersion) return bad("not of version " + std::to_string(kVersion));
  QemuConfig config;
  config.machine.clear();
  const std::pair<const char*, std::string*> texts[] = {{"Machine", &config.machine},
                                                        {"MemoryFile", &config.memory_file},
                                                        {"Kernel", &config.kernel},
                                                        {"Initrd", &config.initrd},
                                                        {"Append", &config.append}};
  for (const auto& [name, into] : texts) {
    if (auto read = read_text(*document, name, *into); !read) return read.error();
  }
  if (config.machine.empty()) return bad("no Machine");
  const int64_t memory = host::number_of(*document, "MemoryMib");
  if (memory < 1 || memory > static_cast<int64_t>(kMaxMemoryMib)) return bad("MemoryMib is not within its range");
  config.memory_mib = static_cast<uint64_t>(memory);
  if (auto read = read_vsock(*document, config); !read) return read.error();
  if (auto read = read_arguments(*document, config); !read) return read.error();
  return config;
}

QemuConfig successor(QemuConfig config) {
  if (!config.vsock_device.empty()) ++config.vsock_cid;
  return config;
}

std::vector<std::string> command_line(const QemuConfig& config, const QemuPlace& place, bool incoming) {
  std::vector<std::string> words = {place.binary};
  const auto add = [&words](std::string option, std::string value) {
    words.push_back(std::move(option));
    words.push_back(std::move(value));
  };
  const std::string mib = std::to_string(config.memory_mib) + "M";
  std::string machine = config.machine;
  if (!config.memory_file.empty()) {
    const std::string name = memory_name(config.machine);
    machine += ",memory-backend=" + name;
    add("-object", "memory-backend-file,id=" + name + ",size=" + mib + ",mem-path=" + quoted(config.memory_file) +
                       ",share=on,x-use-canonical-path-for-ramblock-id=off");
  }
  add("-M", machine);
  add("-m", mib);
  words.insert(words.end(), {"-nodefaults", "-nographic", "-no-reboot"});
  add("-chardev", "socket,id=monitor,fd=" + std::to_string(kMonitorFd));
  add("-mon", "chardev=monitor,mode=control");
  if (!place.console.empty()) {
    add("-chardev", "file,id=console,path=" + quoted(place.console));
  } else {
    add("-chardev", "null,id=console");
  }
  add("-serial", "chardev:console");  // the destination has the port too, whether anybody reads it or not
  if (!config.kernel.empty()) add("-kernel", config.kernel);
  if (!config.initrd.empty()) add("-initrd", config.initrd);
  if (!config.append.empty()) add("-append", config.append);
  if (!config.vsock_device.empty()) {
    add("-device", config.vsock_device + ",guest-cid=" + std::to_string(config.vsock_cid));
  }
  words.insert(words.end(), config.arguments.begin(), config.arguments.end());
  if (incoming) {
    words.push_back("-S");
    add("-incoming", "defer");
  }
  return words;
}

}  // namespace gcs::migration
