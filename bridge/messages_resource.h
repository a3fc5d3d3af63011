#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "bridge/messages.h"

namespace gcs::bridge {

struct GetProperties {
  Base base;
  std::vector<std::string> types;  ///< "ProcessList", "Statistics", or what we do not know
};

/// Which pairs of types are served is the handler's to say: an unknown resource type arrives here, its settings null.
struct ModifySettings {
  Base base;
  std::string request_type;  ///< never empty: a request that names none means "Add"
  std::string resource_type;
  Json settings;  ///< there for every resource type that has settings
};

/// The resource types of the protocol for Linux VMs (wire.md 8), whether or not they are served here.
bool is_resource_type(std::string_view name);

struct CombinedLayers {
  std::string container_id;
  std::string root_path;
  std::vector<std::string> layer_paths;  ///< the topmost first; none on a removal of today's hosts
  std::string scratch_path;              ///< empty: a read-only root
};

Result<GetProperties> decode_get_properties(const Body& body);
Result<ModifySettings> decode_modify_settings(const Body& body);
Result<CombinedLayers> decode_combined_layers(const ModifySettings& modify);

}  // namespace gcs::bridge
