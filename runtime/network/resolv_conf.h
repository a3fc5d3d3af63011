#pragma once

#include <string>
#include <vector>

#include "stdio/io/result.h"

/// Whom a container asks for names.
namespace gcs::network {

/// Entries of a list: more than anybody has use for, resolvers heed six domains and three servers.
inline constexpr size_t kMaxDnsEntries = 64;

struct DnsSettings {
  std::vector<std::string> search;
  std::vector<std::string> servers;
};

/// Adds what is not there yet: in lower case, in its order.
void add_dns(DnsSettings& dns, const std::vector<std::string>& search, const std::vector<std::string>& servers);

/// `invalid_argument` for a list of more than kMaxDnsEntries; to be asked before add_dns(), which compares them all.
Result<> check_dns_sizes(const std::vector<std::string>& search, const std::vector<std::string>& servers);

/// The text of /etc/resolv.conf. At most 6 search domains, for resolvers read no more, at most kMaxDnsEntries servers,
/// no entry of more than 255 bytes, and neither blanks nor control characters in any: else `invalid_argument`.
Result<std::string> resolv_conf_text(const DnsSettings& dns);

}  // namespace gcs::network
