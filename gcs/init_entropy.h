#pragma once

#include "stdio/io/result.h"

namespace gcs {

/// Feeds /dev/random with what the host sends on its vsock port: a VM without a hardware generator would otherwise
/// start every life in the same state. Bounded in time and size; gives the number of bytes.
Result<int> seed_entropy(unsigned port);

/// Credits `data` to the kernel's pool as full entropy.
Result<> add_entropy(std::string_view data);

}  // namespace gcs
