#pragma once

#include <string>

#include "tests/host/local_host.h"
#include "tests/host/signals.h"

namespace gcs::host {

/// Holds a bridge and lends it out until a signal comes, the VM is powered off, or the guest breaks a rule. A lost
/// connection is an outage: the guest is taken back as a returning one, calls and clients wait meanwhile.
io::Task<Result<>> serve(LocalHost& host, std::string transport_name, std::string socket, Signals& stop_on);

}  // namespace gcs::host
