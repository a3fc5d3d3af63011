#pragma once

#include "runtime/network/link_work.h"
#include "runtime/reaper.h"

namespace gcs::runtime {

/// The DHCP client of an image, as the Go GCS expects it there.
struct DhcpSettings {
  std::string client = "/sbin/udhcpc";
  std::string script = "/sbin/udhcpc_config.script";
  std::chrono::seconds limit{30};
};

/// Asks for an address by running the client in the interface's namespace; it is killed at the limit. An image without
/// client or script gives `unsupported`, and says what is missing.
network::Dhcp make_dhcp(Reaper& reaper, io::Engine& engine, io::Clock& clock, DhcpSettings settings = {});

}  // namespace gcs::runtime
