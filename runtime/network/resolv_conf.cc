#include "runtime/network/resolv_conf.h"

#include <algorithm>

namespace gcs::network {
namespace {

constexpr size_t kMaxSearch = 6;
constexpr size_t kMaxEntry = 255;  // bytes, as of a host name

std::string lower_case(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

void add_new(std::vector<std::string>& list, const std::vector<std::string>& entries) {
  for (const std::string& entry : entries) {
    std::string canonical = lower_case(entry);
    if (std::find(list.begin(), list.end(), canonical) == list.end()) list.push_back(std::move(canonical));
  }
}

bool is_word(const std::string& entry) {
  const auto printable = [](unsigned char c) { return c > ' ' && c != 0x7f; };
  return !entry.empty() && entry.size() <= kMaxEntry && std::all_of(entry.begin(), entry.end(), printable);
}

}  // namespace

void add_dns(DnsSettings& dns, const std::vector<std::string>& search, const std::vector<std::string>& servers) {
  add_new(dns.search, search);
  add_new(dns.servers, servers);
}

Result<> check_dns_sizes(const std::vector<std::string>& search, const std::vector<std::string>& servers) {
  const std::string why = ": more than " + std::to_string(kMaxDnsEntries) + " entries";
  if (search.size() > kMaxDnsEntries) return Error(Errc::invalid_argument, "DNSSuffix" + why);
  if (servers.size() > kMaxDnsEntries) return Error(Errc::invalid_argument, "DNSServerList" + why);
  return {};
}

Result<std::string> resolv_conf_text(const DnsSettings& dns) {
  if (dns.search.size() > kMaxSearch) {
    return Error(Errc::invalid_argument, "DNSSuffix: more than " + std::to_string(kMaxSearch) + " search domains");
  }
  const auto sizes = check_dns_sizes(dns.search, dns.servers);
  if (!sizes) return sizes.error();
  std::string text;
  if (!dns.search.empty()) text += "search";
  for (const std::string& domain : dns.search) {
    if (!is_word(domain)) return Error(Errc::invalid_argument, "DNSSuffix: not a list of domains");
    text += " " + domain;
  }
  if (!dns.search.empty()) text += "\n";
  for (const std::string& server : dns.servers) {
    if (!is_word(server)) return Error(Errc::invalid_argument, "DNSServerList: not a list of addresses");
    text += "nameserver " + server + "\n";
  }
  return text;
}

}  // namespace gcs::network
