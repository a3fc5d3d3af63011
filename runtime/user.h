#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "stdio/io/result.h"

namespace gcs::runtime {

struct UserIds {
  uint32_t uid = 0;
  uint32_t gid = 0;
};

/// Whom "user", "uid", "user:group" and their mixtures mean in a container. Names are looked up in etc/passwd and
/// etc/group below `rootfs`, through no link that leads out of it. A uid that is unknown there has gid 0, a gid stands
/// for itself; a name that is unknown is `not_found`, one with two entries `invalid_argument`. Reads files: blocking.
Result<UserIds> find_user(const std::string& rootfs, std::string_view text);

}  // namespace gcs::runtime
