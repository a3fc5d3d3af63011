#pragma once

#include <cstdint>
#include <string>

#include "bridge/messages.h"

namespace gcs::bridge {

inline constexpr uint32_t kProtocolVersion = 4;

struct Negotiate {
  Base base;
  uint32_t minimum_version = 0;
  uint32_t maximum_version = 0;
};

struct Create {
  Base base;
  std::string bundle_path;
  std::string scratch_path;
  Json spec;  ///< the OCI specification; has the objects process, root and linux, else as the host sent it
};

Result<Negotiate> decode_negotiate(const Body& body);

/// kProtocolVersion where the host's range holds it, else `version`.
Result<uint32_t> choose_version(const Negotiate& negotiate);

/// `malformed` also for a schema before 2.1 and for a specification that is missing or lacks one of its main parts.
Result<Create> decode_create(const Body& body);

}  // namespace gcs::bridge
