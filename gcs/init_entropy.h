#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "stdio/io/result.h"

namespace gcs {

/// Feeds /dev/random with what the host sends on its vsock port: a VM without a hardware generator would otherwise
/// start every life in the same state. At most 2 s to connect, 2 s for all reads together, and 4 KiB; gives the number
/// of bytes.
Result<int> seed_entropy(unsigned port);

/// What arrives on a blocking descriptor until its end, the limit or 4 KiB, whichever is first. An error when that is
/// nothing; what came before a connection broke counts.
Result<std::string> read_entropy(int fd, std::chrono::milliseconds limit);

/// Credits `data` to the kernel's pool as full entropy.
Result<> add_entropy(std::string_view data);

}  // namespace gcs
