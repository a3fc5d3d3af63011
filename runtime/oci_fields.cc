#include "runtime/oci_fields.h"

#include <algorithm>
#include <array>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace gcs::runtime {
namespace {

using Json = nlohmann::json;

/// The members of the object at a path; of each object, where there is an array of them.
struct Shape {
  std::string_view path;
  std::string_view members;  ///< with a blank around each
};

// An object without a line here may have any members.
constexpr std::array kShapes = {
    Shape{"", " ociVersion process root hostname domainname mounts hooks annotations linux windows "},
    Shape{".process",
          " terminal consoleSize user args commandLine env cwd capabilities rlimits noNewPrivileges apparmorProfile "
          "oomScoreAdj scheduler selinuxLabel ioPriority execCPUAffinity "},
    Shape{".process.consoleSize", " height width "},
    Shape{".process.user", " uid gid umask additionalGids username "},
    Shape{".process.capabilities", " bounding effective inheritable permitted ambient "},
    Shape{".process.rlimits", " type hard soft "},
    Shape{".process.scheduler", " policy nice priority flags runtime deadline period "},
    Shape{".process.ioPriority", " class priority "},
    Shape{".process.execCPUAffinity", " initial final "},
    Shape{".root", " path readonly "},
    Shape{".mounts", " destination type source options uidMappings gidMappings "},
    Shape{".mounts.uidMappings", " containerID hostID size "},
    Shape{".mounts.gidMappings", " containerID hostID size "},
    Shape{".hooks", " prestart createRuntime createContainer startContainer poststart poststop "},
    Shape{".linux",
          " uidMappings gidMappings sysctl resources cgroupsPath namespaces devices netDevices seccomp "
          "rootfsPropagation maskedPaths readonlyPaths mountLabel intelRdt memoryPolicy personality timeOffsets "},
    Shape{".linux.uidMappings", " containerID hostID size "},
    Shape{".linux.gidMappings", " containerID hostID size "},
    Shape{".linux.namespaces", " type path "},
    Shape{".linux.devices", " path type major minor fileMode uid gid "},
    Shape{".linux.resources", " devices memory cpu pids blockIO hugepageLimits network rdma unified "},
    Shape{".linux.resources.devices", " allow type major minor access "},
    Shape{".linux.resources.memory",
          " limit reservation swap kernel kernelTCP swappiness disableOOMKiller useHierarchy checkBeforeUpdate "},
    Shape{".linux.resources.cpu", " shares quota burst period realtimeRuntime realtimePeriod cpus mems idle "},
    Shape{".linux.resources.pids", " limit "},
    Shape{".linux.resources.blockIO",
          " weight leafWeight weightDevice throttleReadBpsDevice throttleWriteBpsDevice throttleReadIOPSDevice "
          "throttleWriteIOPSDevice "},
    Shape{".linux.resources.blockIO.weightDevice", " major minor weight leafWeight "},
    Shape{".linux.resources.blockIO.throttleReadBpsDevice", " major minor rate "},
    Shape{".linux.resources.blockIO.throttleWriteBpsDevice", " major minor rate "},
    Shape{".linux.resources.blockIO.throttleReadIOPSDevice", " major minor rate "},
    Shape{".linux.resources.blockIO.throttleWriteIOPSDevice", " major minor rate "},
    Shape{".linux.resources.hugepageLimits", " pageSize limit "},
    Shape{".linux.resources.network", " classID priorities "},
    Shape{".linux.resources.network.priorities", " name priority "},
    Shape{".linux.seccomp",
          " defaultAction defaultErrnoRet architectures flags listenerPath listenerMetadata syscalls "},
    Shape{".linux.seccomp.syscalls", " names action errnoRet args "},
    Shape{".linux.seccomp.syscalls.args", " index value valueTwo op "},
    Shape{".linux.intelRdt", " closID schemata l3CacheSchema memBwSchema enableCMT enableMBM enableMonitoring "},
    Shape{".linux.memoryPolicy", " mode nodes flags "},
    Shape{".linux.personality", " domain flags "},
    Shape{
        ".windows",
        " layerFolders devices resources commandLine credentialSpec servicing ignoreFlushesDuringBoot hyperv network "},
    Shape{".windows.devices", " id idType "},
    Shape{".windows.network",
          " endpointList allowUnqualifiedDNSQuery DNSSearchList networkSharedContainerName networkNamespace "},
};

bool has_member(const Shape& shape, const std::string& name) {
  return name.find(' ') == name.npos && shape.members.find(" " + name + " ") != shape.members.npos;
}

/// The path of the first unknown field below, or nothing.
std::string unknown_field(const Json& value, const std::string& path) {
  if (const auto* elements = value.get_ptr<const Json::array_t*>()) {
    for (const Json& element : *elements) {
      std::string found = unknown_field(element, path);
      if (!found.empty()) return found;
    }
    return {};
  }
  const auto* members = value.get_ptr<const Json::object_t*>();
  if (members == nullptr) return {};
  const auto* shape = std::ranges::find(kShapes, std::string_view(path), &Shape::path);
  if (shape == kShapes.end()) return {};
  for (const auto& [name, member] : *members) {
    const std::string below = path + "." + name;
    if (!has_member(*shape, name)) return below;
    std::string found = unknown_field(member, below);
    if (!found.empty()) return found;
  }
  return {};
}

/// `path` is the value's in a whole document, `name` what its request calls it.
Result<> check_at(const Json& value, std::string_view path, std::string_view name) {
  const std::string found = unknown_field(value, std::string(path));
  if (found.empty()) return {};
  return Error(Errc::unsupported, std::string(name) + found.substr(path.size(), 256) +
                                      ": the policy forbids fields that are not known here");
}

}  // namespace

Result<> check_known_fields(const Json& spec) {
  return check_at(spec, "", "OciSpecification");
}

Result<> check_known_process_fields(const Json& process) {
  return check_at(process, ".process", "OciProcess");
}

Result<> check_known_resource_fields(const Json& resources) {
  return check_at(resources, ".linux.resources", "Linux");
}

}  // namespace gcs::runtime
