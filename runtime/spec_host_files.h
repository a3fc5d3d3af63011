#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "runtime/bundle.h"
#include "runtime/host_files.h"

/// hostname, hosts and resolv.conf, from the text to the mount in /etc.
namespace gcs::runtime {

/// The three files of a container with this document: its host name, or `names.hostname`.
Result<std::vector<BundleFile>> host_files(const nlohmann::json& spec, const NetworkNames& names);

/// Mounts the files of `dir` into the container's /etc, read-only where its root is, and gives the names of those that
/// it mounted: where the document mounts something itself, that stays alone.
std::vector<std::string> mount_host_files(nlohmann::json& spec, const std::string& dir);

}  // namespace gcs::runtime
