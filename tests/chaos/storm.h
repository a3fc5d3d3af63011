#pragma once

#include "tests/chaos/actor.h"

namespace gcs::chaos {

/// Many requests in flight all the time, and a drop every 50 ms: each is answered once. The same host returns.
io::Task<Result<>> storm(Scene& scene);

}  // namespace gcs::chaos
