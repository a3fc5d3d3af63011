#pragma once

#include <string>
#include <string_view>

#include "runtime/network/resolv_conf.h"
#include "stdio/io/result.h"

/// The texts of /etc/hostname and /etc/hosts that containers are given; that of /etc/resolv.conf is network's.
namespace gcs::runtime {

/// At most 255 letters, digits, "_", "-" and "."; the empty name too.
bool is_hostname(std::string_view name);

/// The name and a newline; `invalid_argument` for what is no host name.
Result<std::string> hostname_text(std::string_view name);

/// localhost, the name (with its first label where it has several), and the usual IPv6 names.
std::string hosts_text(std::string_view hostname);

using network::DnsSettings;
using network::resolv_conf_text;

/// What a container without a name of its own is called, and whom it asks for addresses.
struct NetworkNames {
  std::string hostname;
  DnsSettings dns;
};

/// The name, or "localhost" in place of one that is none: the kernel's own for a VM that nobody has named is "(none)".
std::string usable_hostname(std::string_view name);

/// The VM's host name, and no DNS.
NetworkNames names_of_vm();

}  // namespace gcs::runtime
