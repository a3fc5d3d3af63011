#pragma once

#include <chrono>

#include "stdio/io/result.h"

namespace gcs {

/// Makes the kernel draw a new key for its random numbers, so that two VMs made of one saved state part here. Mixed in
/// before, and counted as no entropy, is what differs between them for certain: `told`, the hypervisor's time where it
/// is known, and our clocks; the kernel adds the processor's generator, or its counter (drivers/char/random.c).
///
/// RNDRESEEDCRNG (linux/random.h, since 4.14): needs CAP_SYS_ADMIN, and fails with ENODATA while the pool has not been
/// filled for the first time. Numbers that programs have drawn in advance are beyond its reach.
Result<> reseed(std::chrono::nanoseconds told, const char* device = "/dev/urandom");

}  // namespace gcs
