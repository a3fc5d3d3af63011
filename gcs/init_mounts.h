#pragma once

#include <span>

#include "stdio/io/result.h"

namespace gcs {

struct MountPoint {
  const char* source;
  const char* target;
  const char* type;
  unsigned long flags;
  const char* data;
};

/// What PID 1 mounts, in this order.
std::span<const MountPoint> init_mounts();

/// What -w adds: where the layers are kept, and then a layer over /etc and one over /var.
std::span<const MountPoint> writable_mounts();

/// Makes the directory when it is missing, and mounts. Already mounted there is fine.
Result<> mount_at(const MountPoint& mount);

/// The whole table and the links that belong into /dev; what fails is logged and left out.
void mount_file_systems();

/// Lays a tmpfs over /etc and /var, for an image whose root is read-only; what fails is logged and left out.
void make_writable();

}  // namespace gcs
