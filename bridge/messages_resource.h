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

Result<GetProperties> decode_get_properties(const Body& body);
Result<ModifySettings> decode_modify_settings(const Body& body);

}  // namespace gcs::bridge
