#pragma once

#include <string>
#include <vector>

#include "stdio/io/result.h"

/// Whom a container asks for names.
namespace gcs::network {

struct DnsSettings {
  std::vector<std::string> search;
  std::vector<std::string> servers;
};

/// Adds what is not there yet: in lower case, in its order.
void add_dns(DnsSettings& dns, const std::vector<std::string>& search, const std::vector<std::string>& servers);

/// The text of /etc/resolv.conf. At most 6 search domains, for resolvers read no more, and neither blanks nor control
/// characters in any entry: else `invalid_argument`.
Result<std::string> resolv_conf_text(const DnsSettings& dns);

}  // namespace gcs::network
